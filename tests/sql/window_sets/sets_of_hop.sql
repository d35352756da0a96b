-- The window within the sets, its bounds in another order; an expression as a key; only some of the rows.
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
CREATE TABLE result (ends TIMESTAMP(3), slow BOOLEAN, country STRING, slow_out BIGINT, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_end, ms > 100, country, GROUPING(ms > 100), COUNT(*)
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTES))
WHERE ms IS NOT NULL
GROUP BY GROUPING SETS ((window_end, window_start, ms > 100), (country, window_start, window_end), (window_start, window_end));
