-- The older way to write the window, with sets of the other keys.
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
CREATE TABLE result (starts TIMESTAMP(3), country STRING, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT TUMBLE_START(ts, INTERVAL '5' MINUTES), country, COUNT(*) FROM clicks
GROUP BY TUMBLE(ts, INTERVAL '5' MINUTES), ROLLUP (country);
