-- Only the fields that are read are passed on, by their own names.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (id INT, n INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, i.n FROM orders CROSS JOIN UNNEST(items) AS i WHERE i.name IS NOT NULL;
