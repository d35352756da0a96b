-- Windows grow by a minute up to three; a window without new rows comes again.
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
CREATE TABLE result (country STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), clicks BIGINT, total BIGINT)
WITH ('connector' = 'print');
INSERT INTO result
SELECT country, window_start, window_end, COUNT(*), SUM(CAST(ms AS BIGINT))
FROM TABLE(CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '3' MINUTES))
GROUP BY country, window_start, window_end;
