-- Cumulating windows, grouped again.
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
CREATE TABLE result (window_start TIMESTAMP(3), window_end TIMESTAMP(3), most BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, window_end, MAX(num)
FROM (
    SELECT country, COUNT(*) AS num, window_start, window_end
    FROM TABLE(CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '3' MINUTES))
    GROUP BY country, window_start, window_end
)
GROUP BY window_start, window_end;
