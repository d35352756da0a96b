-- A delay that never passes: results come at the ends of windows, as ever.
-- changes: in order
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '1 d';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '60' SECOND) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE result (`user` STRING, window_start TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT `user`, window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY `user`, window_start, window_end;
