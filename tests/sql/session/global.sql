-- Without PARTITION BY, sessions of all rows: a row can join two.
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
CREATE TABLE result (window_start TIMESTAMP(3), window_end TIMESTAMP(3), window_time TIMESTAMP(3), clicks BIGINT, mean DOUBLE)
WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, window_end, window_time, COUNT(*), AVG(CAST(ms AS DOUBLE))
FROM TABLE(SESSION(DATA => TABLE clicks, TIMECOL => DESCRIPTOR(ts), GAP => INTERVAL '16' SECOND))
GROUP BY window_start, window_end, window_time;
