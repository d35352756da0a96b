-- The row before, and itself.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, k STRING, n BIGINT, total BIGINT, least BIGINT, most STRING, mean DECIMAL(38, 6), first_s STRING, last_s STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, k, COUNT(*) OVER w, SUM(v) OVER w, MIN(v) OVER w, MAX(s) OVER w, AVG(CAST(v AS DECIMAL(10, 2))) OVER w,
       FIRST_VALUE(s) OVER w, LAST_VALUE(s) OVER w
FROM orders WINDOW w AS (PARTITION BY k ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW);
