-- Windows of the time at which rows pass; the one that is open at the end fires. It is a century long.
CREATE TABLE clicks (
    `user` STRING,
    country STRING,
    ms INT,
    p AS PROCTIME()
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/tumble/clicks.json',
    'format' = 'json'
);
CREATE TABLE result (country STRING, clicks BIGINT, slowest INT, in_window BOOLEAN) WITH ('connector' = 'print');
INSERT INTO result
SELECT country, COUNT(*), MAX(ms), window_end > window_start
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(p), INTERVAL '36525' DAY))
GROUP BY country, window_start, window_end;
