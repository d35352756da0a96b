-- Rows of several queries of one table, as one stream.
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
CREATE TABLE late (id INT, page ROW<host STRING, path STRING>) WITH ('connector' = 'print');
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');
CREATE VIEW marked AS
SELECT 'even' AS kind, ts FROM visits WHERE id % 2 = 0 UNION ALL SELECT 'odd' AS kind, ts FROM visits WHERE id % 2 = 1;
INSERT INTO result
SELECT window_start, COUNT(DISTINCT kind)
FROM TABLE(TUMBLE(TABLE marked, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
