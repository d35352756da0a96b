-- A bound of another window.
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
CREATE TABLE result (starts TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO result
SELECT TUMBLE_START(ts, INTERVAL '2' MINUTE)
FROM clicks
GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE);
