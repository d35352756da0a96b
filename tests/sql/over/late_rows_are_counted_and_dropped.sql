-- parallelism: 1
-- late rows: 1
-- The watermark follows each row at once: row 5 is late.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '0.001' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, k STRING, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, k, COUNT(*) OVER (PARTITION BY k ORDER BY ts)
FROM orders WHERE id <> 3 AND id <> 6;
