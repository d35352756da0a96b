-- Sessions of the time at which rows pass, in GROUP BY.
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
CREATE TABLE result (`user` STRING, clicks BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT `user`, COUNT(*)
FROM clicks
GROUP BY `user`, SESSION(p, INTERVAL '1' DAY);
