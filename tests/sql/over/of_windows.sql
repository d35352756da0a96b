-- Running totals over the results of windows, in the order of their time, and windows of those.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (w TIMESTAMP(3), k STRING, n BIGINT, so_far BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_end, k, SUM(n), MAX(so_far) FROM (
    SELECT window_start, window_end, k, n, SUM(n) OVER (PARTITION BY k ORDER BY window_time) AS so_far
    FROM (
        SELECT window_start, window_end, window_time, k, COUNT(*) AS n
        FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '2' SECOND))
        GROUP BY window_start, window_end, window_time, k
    )
)
GROUP BY window_start, window_end, k;
