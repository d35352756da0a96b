-- Over the groups of an aggregation, in the order of what they add up to.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, total BIGINT, number BIGINT, so_far BIGINT, ks BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT k, total, ROW_NUMBER() OVER (ORDER BY total, k), SUM(total) OVER (ORDER BY total, k), COUNT(DISTINCT k) OVER (ORDER BY total, k)
FROM (SELECT k, SUM(v) AS total FROM orders GROUP BY k);
