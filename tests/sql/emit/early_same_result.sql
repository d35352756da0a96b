-- A row that changes nothing of a result emits nothing.
-- changes: in order
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 s';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '60' SECOND) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE result (window_end TIMESTAMP(3), most INT, users BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_end, MAX(amount), COUNT(DISTINCT `user`)
FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(ts), INTERVAL '3' MINUTE))
GROUP BY window_start, window_end;
