-- What comes after each row, as it comes.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, later BIGINT, most STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, COUNT(*) OVER (PARTITION BY k ORDER BY ts DESC, id), MAX(s) OVER (PARTITION BY k ORDER BY ts DESC, id)
FROM orders;
