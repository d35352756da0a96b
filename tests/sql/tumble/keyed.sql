-- Windows without rows give no row; a null is a key like any other.
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
CREATE TABLE result (
    country STRING,
    window_start TIMESTAMP(3),
    window_end TIMESTAMP(3),
    clicks BIGINT,
    slowest INT
) WITH ('connector' = 'print');
INSERT INTO result
SELECT country, window_start, window_end, COUNT(*), MAX(ms)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY country, window_start, window_end;
