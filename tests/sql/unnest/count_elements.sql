-- Elements are counted though nothing of them is read.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (c BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT COUNT(*) FROM orders CROSS JOIN UNNEST(tags) AS t (tag);
