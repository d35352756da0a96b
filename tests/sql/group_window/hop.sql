-- HOP(time, slide, size), over a subquery; the bounds need not be selected.
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
CREATE TABLE result (ends TIMESTAMP(3), clicks BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT HOP_END(ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTES), COUNT(*)
FROM (SELECT ts, ms FROM clicks WHERE country IS NOT NULL)
GROUP BY HOP(ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTES);
