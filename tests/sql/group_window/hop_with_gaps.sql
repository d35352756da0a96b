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
CREATE TABLE result (clicks BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT COUNT(*) FROM clicks GROUP BY HOP(ts, INTERVAL '2' MINUTE, INTERVAL '90' SECOND);
