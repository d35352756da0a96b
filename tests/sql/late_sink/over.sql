-- OVER in the order of event time drops what comes when its time has passed.
-- parallelism: 1
-- late rows: 4
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'late.sink' = 'late',
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE late (id INT, late_by BIGINT, late_operator STRING) WITH ('connector' = 'print');
CREATE TABLE result (id INT, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT id, COUNT(*) OVER (ORDER BY ts) FROM visits;
