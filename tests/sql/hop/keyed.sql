-- Windows of two minutes, one each minute: every row is in two.
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
CREATE TABLE result (country STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), clicks BIGINT, slowest INT, mean INT)
WITH ('connector' = 'print');
INSERT INTO result
SELECT country, window_start, window_end, COUNT(*), MAX(ms), AVG(ms)
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTES))
GROUP BY country, window_start, window_end;
