-- In GROUP BY, a hop's size need be no multiple of its slide: 90 seconds every minute, so every second half minute is in two windows.
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
CREATE TABLE result (starts TIMESTAMP(3), ends TIMESTAMP(3), clicks BIGINT, slowest INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT HOP_START(ts, INTERVAL '1' MINUTE, INTERVAL '90' SECOND), HOP_END(ts, INTERVAL '1' MINUTE, INTERVAL '90' SECOND), COUNT(*), MAX(ms)
FROM clicks
GROUP BY HOP(ts, INTERVAL '1' MINUTE, INTERVAL '90' SECOND);
