-- Sessions of what the query groups by, an expression.
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
CREATE TABLE result (initial STRING, starts TIMESTAMP(3), ends TIMESTAMP(3), clicks BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT UPPER(`user`), SESSION_START(clicks.ts, INTERVAL '40' SECOND), SESSION_END(clicks.ts, INTERVAL '40' SECOND), COUNT(*)
FROM clicks
GROUP BY UPPER(`user`), SESSION(clicks.ts, INTERVAL '40' SECOND);
