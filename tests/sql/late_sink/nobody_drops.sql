-- A query that drops no late rows writes none.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'late.sink' = 'late',
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE late (id INT) WITH ('connector' = 'print');
CREATE TABLE result (id INT, `user` STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, `user` FROM visits WHERE amount > 30;
