-- The watermark waits long enough: nothing is written, at any parallelism.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '60' SECOND) WITH (
    'late.sink' = 'late',
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE late (id INT, `user` STRING, late_by BIGINT, late_operator STRING) WITH ('connector' = 'print');
CREATE TABLE result (`user` STRING, window_start TIMESTAMP(3), n BIGINT, ids BIGINT, most INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT `user`, window_start, COUNT(*), SUM(CAST(id AS BIGINT)), MAX(amount)
FROM TABLE(HOP(TABLE visits, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))
GROUP BY `user`, window_start, window_end;
