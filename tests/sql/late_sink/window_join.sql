-- Both sides of a window join drop what comes late, each by itself.
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
CREATE TABLE late (id INT, amount INT, late_operator STRING) WITH ('connector' = 'print');
CREATE TABLE result (window_start TIMESTAMP(3), id INT, page STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT a.window_start, a.id, b.path
FROM (SELECT id, window_start, window_end FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) a
JOIN (SELECT id, page.path AS path, window_start, window_end FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) b
ON a.window_start = b.window_start AND a.window_end = b.window_end AND a.id = b.id;
