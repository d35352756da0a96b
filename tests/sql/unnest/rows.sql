-- The fields of a ROW are columns; those of a null one are null.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (id INT, name STRING, n INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, name, n FROM orders CROSS JOIN UNNEST(items) AS i (name, n);
