-- Without an aggregation, a row comes once per window.
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
CREATE TABLE result (`user` STRING, ms INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), window_time TIMESTAMP(3))
WITH ('connector' = 'print');
INSERT INTO result
SELECT `user`, ms, window_start, window_end, window_time
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTES))
WHERE ms > 55 AND window_start >= TIMESTAMP '2024-03-01 10:00:00';
