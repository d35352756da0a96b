-- A session ends when a user was silent for 40 seconds; rows out of order join sessions.
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
CREATE TABLE result (`user` STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), clicks BIGINT, total INT)
WITH ('connector' = 'print');
INSERT INTO result
SELECT `user`, window_start, window_end, COUNT(*), SUM(ms)
FROM TABLE(SESSION(TABLE clicks PARTITION BY `user`, DESCRIPTOR(ts), INTERVAL '40' SECOND))
GROUP BY `user`, window_start, window_end;
