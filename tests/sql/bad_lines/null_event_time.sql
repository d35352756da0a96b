CREATE TABLE events (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/bad_lines/no_time.json',
    'format' = 'json'
);
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
