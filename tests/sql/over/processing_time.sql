-- At once, in the order of arrival; no two rows are equal, but in a frame that reaches back by time.
-- changes: in order
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), p AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, k STRING, n BIGINT, total BIGINT, last_two BIGINT, previous BIGINT, hour_n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, k, ROW_NUMBER() OVER w, SUM(v) OVER w, SUM(v) OVER (PARTITION BY k ORDER BY p ROWS 1 PRECEDING), LAG(v) OVER w,
       COUNT(*) OVER (ORDER BY p RANGE INTERVAL '1' DAY PRECEDING) * 0
FROM orders WINDOW w AS (PARTITION BY k ORDER BY p);
