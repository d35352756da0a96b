-- Sessions of users, their rows grouped by country: sessions of the same bounds come together.
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
CREATE TABLE result (country STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), clicks BIGINT, people BIGINT)
WITH ('connector' = 'print');
INSERT INTO result
SELECT country, window_start, window_end, COUNT(*), COUNT(DISTINCT `user`)
FROM TABLE(SESSION(TABLE clicks PARTITION BY `user`, DESCRIPTOR(ts), INTERVAL '40' SECOND))
GROUP BY country, window_start, window_end;
