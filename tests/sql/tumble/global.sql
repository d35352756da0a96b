-- No key: one subtask holds the window, whatever the parallelism.
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
CREATE TABLE result (window_end TIMESTAMP(3), clicks BIGINT, total BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_end, COUNT(*), SUM(CAST(ms AS BIGINT))
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' MINUTES))
GROUP BY window_start, window_end;
