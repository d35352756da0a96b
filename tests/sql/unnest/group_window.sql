-- With a window in GROUP BY.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (w TIMESTAMP(3), tag STRING, c BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE), tag, COUNT(*) FROM orders, UNNEST(tags) AS t (tag)
GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), tag;
