-- The older way to write windows.
-- parallelism: 1
-- late rows: 2
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'late.sink' = 'late',
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE late (late_by BIGINT, late_watermark TIMESTAMP(3), id INT) WITH ('connector' = 'print');
CREATE TABLE result (`user` STRING, start TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT `user`, TUMBLE_START(ts, INTERVAL '1' MINUTE), COUNT(*) FROM visits GROUP BY `user`, TUMBLE(ts, INTERVAL '1' MINUTE);
