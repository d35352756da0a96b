-- The filter that Flink's documentation has for late rows, on TIMESTAMP_LTZ.
CREATE TABLE clicks (id INT, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/late/clicks.json', 'format' = 'json'
);
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE result (id INT, ts TIMESTAMP_LTZ(3)) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, ts FROM clicks WHERE CURRENT_WATERMARK(ts) IS NULL OR ts > CURRENT_WATERMARK(ts);
