-- Sessions of a user.
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
CREATE TABLE late (id INT, `user` STRING, late_by BIGINT, late_operator STRING) WITH ('connector' = 'print');
CREATE TABLE result (`user` STRING, starts TIMESTAMP(3), ends TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT `user`, window_start, window_end, COUNT(*)
FROM TABLE(SESSION(TABLE visits PARTITION BY `user`, DESCRIPTOR(ts), INTERVAL '20' SECOND))
GROUP BY `user`, window_start, window_end;
