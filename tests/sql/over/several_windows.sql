-- Each partition and order is an operator of its own, behind the other; a window of all rows is one of them.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, per_k BIGINT, per_s BIGINT, of_all BIGINT, twice BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, SUM(v) OVER k, COUNT(*) OVER s, ROW_NUMBER() OVER (ORDER BY ts, id), 2 * SUM(v) OVER k
FROM orders
WINDOW k AS (PARTITION BY k ORDER BY ts), s AS (PARTITION BY s ORDER BY ts ROWS BETWEEN 3 PRECEDING AND CURRENT ROW);
