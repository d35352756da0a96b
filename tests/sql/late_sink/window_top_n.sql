-- The first rows of each window.
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
CREATE TABLE late (id INT, `user` STRING, late_operator STRING) WITH ('connector' = 'print');
CREATE TABLE result (window_start TIMESTAMP(3), id INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, id FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY amount DESC) AS n
    FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
) WHERE n = 1;
