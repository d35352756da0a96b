-- Results come with every row, and once more with what has changed.
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
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT, total BIGINT, last_user STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*), SUM(CAST(amount AS BIGINT)), MAX(`user`)
FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
