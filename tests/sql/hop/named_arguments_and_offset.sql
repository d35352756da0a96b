-- Named arguments in any order; windows begin at second 30.
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
CREATE TABLE result (window_start TIMESTAMP(3), window_time TIMESTAMP(3), clicks BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, window_time, COUNT(*)
FROM TABLE(HOP(
    DATA => TABLE clicks, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '3' MINUTES, SLIDE => INTERVAL '1' MINUTE,
    `OFFSET` => INTERVAL '30' SECOND))
GROUP BY window_start, window_end, window_time;
