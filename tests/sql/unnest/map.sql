-- An entry of a map is its key and its value.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (id INT, k STRING, v STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, k, v FROM orders CROSS JOIN UNNEST(attributes) AS a (k, v);
