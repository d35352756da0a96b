-- DISTINCT without a bound, and with one.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, k STRING, vs BIGINT, total BIGINT, mean DOUBLE, large BIGINT, texts BIGINT, last_vs BIGINT, last_total BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, k, COUNT(DISTINCT v) OVER w, SUM(DISTINCT v) OVER w, AVG(DISTINCT CAST(v AS DOUBLE)) OVER w,
       COUNT(*) FILTER (WHERE v > 5) OVER w, COUNT(DISTINCT s) FILTER (WHERE v > 0) OVER w,
       COUNT(DISTINCT v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW),
       SUM(DISTINCT v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)
FROM orders WINDOW w AS (PARTITION BY k ORDER BY ts);
