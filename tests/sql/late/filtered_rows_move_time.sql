-- A filter drops rows after the watermark has seen them: time goes on, and row 4 is late all the same.
-- parallelism: 1
-- late rows: 1
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE clicks (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/late/clicks.json',
    'format' = 'json'
);
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
WHERE id <> 3 AND id <> 7
GROUP BY window_start, window_end;
