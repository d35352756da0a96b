-- ROW_NUMBER that is bounded below only, and a filter on RANK.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, id INT, n BIGINT, r BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT k, id, n, r FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, id) AS n, RANK() OVER (PARTITION BY k ORDER BY v DESC) AS r FROM orders
) WHERE n > 1 AND r <= 3;
