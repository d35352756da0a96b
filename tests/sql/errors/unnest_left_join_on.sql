-- As in Flink, LEFT JOIN takes ON TRUE alone.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT n FROM orders LEFT JOIN UNNEST(items) AS t (name, n) ON n > 1;
