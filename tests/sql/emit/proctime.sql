-- Windows of processing time: whenever they end, every row is counted once.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 s';
CREATE TABLE visits (id INT, pt AS PROCTIME()) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE result (visits BIGINT, last_id INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT SUM(n), MAX(last_id) FROM (
    SELECT COUNT(*) AS n, MAX(id) AS last_id
    FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(pt), INTERVAL '1' SECOND))
    GROUP BY window_start, window_end
);
