-- Sessions of two keys; their results are grouped by session again.
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
CREATE TABLE result (window_start TIMESTAMP(3), window_end TIMESTAMP(3), people BIGINT, most BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, window_end, COUNT(*), MAX(num)
FROM (
    SELECT `user`, country, COUNT(*) AS num, window_start, window_end
    FROM TABLE(SESSION(TABLE clicks PARTITION BY (`user`, country), DESCRIPTOR(ts), INTERVAL '30' SECOND))
    GROUP BY `user`, country, window_start, window_end
)
GROUP BY window_start, window_end;
