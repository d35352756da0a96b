-- Sessions without an aggregation.
-- parallelism: 1
-- late rows: 3
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'late.sink' = 'late',
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE late (id INT, amount INT, late_operator STRING) WITH ('connector' = 'print');
CREATE TABLE result (`user` STRING, id INT, starts TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO result
SELECT `user`, id, window_start
FROM TABLE(SESSION(TABLE visits PARTITION BY `user`, DESCRIPTOR(ts), INTERVAL '20' SECOND));
