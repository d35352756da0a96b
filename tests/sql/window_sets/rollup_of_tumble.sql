-- Totals of each window, of countries and of users in them: the null of a set that leaves the country out is not the country null.
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
CREATE TABLE result (starts TIMESTAMP(3), country STRING, `user` STRING, without BIGINT, n BIGINT, ms INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, country, `user`, GROUPING_ID(country, `user`), COUNT(*), SUM(ms)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, ROLLUP (country, `user`);
