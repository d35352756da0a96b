-- A window in GROUP BY, with the functions that tell its bounds.
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
CREATE TABLE result (country STRING, starts TIMESTAMP(3), ends TIMESTAMP(3), last_ms TIMESTAMP(3), clicks BIGINT)
WITH ('connector' = 'print');
INSERT INTO result
SELECT c.country, TUMBLE_START(ts, INTERVAL '1' MINUTE), TUMBLE_END(ts, INTERVAL '1' MINUTE),
       TUMBLE_ROWTIME(ts, INTERVAL '1' MINUTE), COUNT(*)
FROM clicks AS c
WHERE ms < 300
GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), c.country
HAVING COUNT(*) > 1 AND TUMBLE_START(ts, INTERVAL '1' MINUTE) >= TIMESTAMP '2024-03-01 00:00:00';
