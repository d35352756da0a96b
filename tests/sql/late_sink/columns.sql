-- Columns of the source, computed ones too, and all that is known of lateness. A watermark after each row: rows 4 and 7 come late.
-- parallelism: 1
-- late rows: 2
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), host AS UPPER(page.host), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'late.sink' = 'late',
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE late (late_operator STRING, id BIGINT, host STRING, page ROW<host STRING, path STRING>, `user` STRING, amount INT, ts TIMESTAMP(3), late_by BIGINT, late_watermark TIMESTAMP(3)) WITH ('connector' = 'print');
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT, total BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*), SUM(CAST(amount AS BIGINT))
FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
