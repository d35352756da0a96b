-- Windows that grow: late is what comes behind the longest.
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
CREATE TABLE late (id INT, late_operator STRING) WITH ('connector' = 'print');
CREATE TABLE result (window_start TIMESTAMP(3), window_end TIMESTAMP(3), ids BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, window_end, SUM(CAST(id AS BIGINT))
FROM TABLE(CUMULATE(TABLE visits, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
