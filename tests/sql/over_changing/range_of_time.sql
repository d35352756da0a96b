-- A frame that reaches back by time, of rows that change.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, best BIGINT, `at` TIMESTAMP(3), n BIGINT, total BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT k, best, `at`, COUNT(*) OVER w, SUM(best) OVER w
FROM (SELECT k, MAX(v) AS best, MAX(ts) AS `at` FROM orders GROUP BY k)
WINDOW w AS (ORDER BY `at` RANGE BETWEEN INTERVAL '1' SECOND PRECEDING AND CURRENT ROW);
