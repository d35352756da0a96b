-- Sessions of users, then groups of their rows: those that begin apart and end together stay apart.
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
CREATE TABLE result (starts TIMESTAMP(3), ends TIMESTAMP(3), country STRING, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, window_end, country, COUNT(*)
FROM TABLE(SESSION(TABLE clicks PARTITION BY `user`, DESCRIPTOR(ts), INTERVAL '40' SECOND))
GROUP BY window_start, window_end, CUBE (country);
