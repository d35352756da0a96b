-- Rows come out once, in the order of their time, those of one time in the order of arrival.
-- changes: in order
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, k STRING, total BIGINT, least STRING, most STRING, halves DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, k, SUM(v) OVER w, MIN(s) OVER w, MAX(s) OVER w, AVG(CAST(v AS DOUBLE) / 2) OVER w
FROM orders WINDOW w AS (PARTITION BY k ORDER BY ts ROWS UNBOUNDED PRECEDING);
