-- The older way to write windows. Without a delay for late results, they come at once.
-- changes: in order
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
SET 'table.exec.emit.allow-lateness' = '1 min';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE result (`user` STRING, starts TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT `user`, TUMBLE_START(ts, INTERVAL '1' MINUTE), COUNT(*) FROM visits GROUP BY `user`, TUMBLE(ts, INTERVAL '1' MINUTE);
