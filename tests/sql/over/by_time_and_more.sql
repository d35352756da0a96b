-- Of rows of one time, further columns say which comes first; those that are equal in all of them have the same result.
-- changes: in order
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, k STRING, total BIGINT, number BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, k, SUM(v) OVER (PARTITION BY k ORDER BY ts, v DESC), ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts, v DESC)
FROM orders;
