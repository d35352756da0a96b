-- Rows that are only appended, in the order of a number: results of those behind change.
-- changes: in order
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, id INT, v BIGINT, total BIGINT, place BIGINT, dense BIGINT, before BIGINT, last_two BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT k, id, v, SUM(v) OVER w, RANK() OVER w, DENSE_RANK() OVER w, LAG(v) OVER w,
       SUM(v) OVER (PARTITION BY k ORDER BY v ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
FROM orders WINDOW w AS (PARTITION BY k ORDER BY v);
