-- parallelism: 1
-- late rows: 2
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE clicks (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/late/clicks.json',
    'format' = 'json'
);
CREATE TABLE result (parity INT, window_start TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id % 2, window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY id % 2, window_start, window_end;
