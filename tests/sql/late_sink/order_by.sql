-- Rows that come behind the time that has been sorted.
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
CREATE TABLE result (id INT, ts TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO result SELECT id, ts FROM visits ORDER BY ts;
