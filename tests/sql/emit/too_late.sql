-- Row 4 comes 11 s behind the end of its window, row 7 20 s: with 15 s allowed, the latter is late and goes to the table for that.
-- parallelism: 1
-- changes: in order
-- late rows: 1
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
SET 'table.exec.emit.allow-lateness' = '15 s';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'late.sink' = 'late',
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE late (id INT, late_by BIGINT, late_operator STRING) WITH ('connector' = 'print');
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
