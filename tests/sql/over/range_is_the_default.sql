-- Rows of one time have the same result; a watermark after each row.
-- changes: in order
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, k STRING, n BIGINT, vs BIGINT, total BIGINT, least BIGINT, most BIGINT, mean BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, k, COUNT(*) OVER (PARTITION BY k ORDER BY ts), COUNT(v) OVER (PARTITION BY k ORDER BY ts),
       SUM(v) OVER (PARTITION BY k ORDER BY ts), MIN(v) OVER (PARTITION BY k ORDER BY ts),
       MAX(v) OVER (PARTITION BY k ORDER BY ts), AVG(v) OVER (PARTITION BY k ORDER BY ts)
FROM orders;
