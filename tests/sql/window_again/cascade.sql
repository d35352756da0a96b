-- Windows of minutes make windows of five: the time of a window is an event time.
CREATE TABLE clicks (
    `user` STRING,
    country STRING,
    ms INT,
    ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '30' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/tumble/clicks.json',
    'format' = 'json'
);
CREATE TABLE result (window_start TIMESTAMP(3), window_end TIMESTAMP(3), clicks BIGINT, minutes BIGINT) WITH ('connector' = 'print');
CREATE VIEW per_minute AS
SELECT COUNT(*) AS num, window_time AS minute_time
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, window_time;
INSERT INTO result
SELECT window_start, window_end, SUM(num), COUNT(*)
FROM TABLE(TUMBLE(TABLE per_minute, DESCRIPTOR(minute_time), INTERVAL '5' MINUTES))
GROUP BY window_start, window_end;
