-- Event time stays event time.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (w TIMESTAMP(3), tag STRING, c BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, tag, COUNT(*) FROM TABLE(TUMBLE(TABLE (
    SELECT ts, tag FROM orders CROSS JOIN UNNEST(tags) AS t (tag)
), DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, tag;
