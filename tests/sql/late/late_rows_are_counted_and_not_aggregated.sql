-- parallelism: 1
-- late rows: 2
-- A watermark after each row: rows 4 and 7 come when their windows have fired.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE clicks (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/late/clicks.json',
    'format' = 'json'
);
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT, last_id INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*), MAX(id)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
