-- Keys and arguments are expressions, rows are filtered before and groups after.
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
CREATE TABLE result (initial STRING, seconds DOUBLE, clicks BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT SUBSTRING(`user`, 1, 1), SUM(ms) / 1000.0, COUNT(ms)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' MINUTES))
WHERE ms > 55
GROUP BY window_start, window_end, SUBSTRING(`user`, 1, 1)
HAVING COUNT(ms) > 1;
