-- Whenever early results come, what is left in the end is the same.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '1 ms';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '60' SECOND) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE result (host STRING, window_start TIMESTAMP(3), mean DOUBLE, least INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT UPPER(page.host), window_start, AVG(CAST(amount AS DOUBLE)), MIN(amount)
FROM TABLE(HOP(TABLE visits, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))
GROUP BY UPPER(page.host), window_start, window_end;
