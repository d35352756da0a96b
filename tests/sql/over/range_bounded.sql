-- Rows of the last second, of the last minute, and of the same time.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, k STRING, second_n BIGINT, second_total BIGINT, minute_most BIGINT, same_n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, k,
       COUNT(*) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '1' SECOND PRECEDING AND CURRENT ROW),
       SUM(v) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '1' SECOND PRECEDING AND CURRENT ROW),
       MAX(v) OVER (PARTITION BY k ORDER BY ts RANGE INTERVAL '1' MINUTE PRECEDING),
       COUNT(*) OVER (PARTITION BY k ORDER BY ts RANGE CURRENT ROW)
FROM orders;
