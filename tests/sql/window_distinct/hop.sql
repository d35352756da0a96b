-- Panes share values.
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
CREATE TABLE result (window_start TIMESTAMP(3), window_end TIMESTAMP(3), users BIGINT, german BIGINT, countries BIGINT, clicks BIGINT)
WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, window_end, COUNT(DISTINCT `user`), COUNT(DISTINCT `user`) FILTER (WHERE country = 'DE'),
       COUNT(DISTINCT country), COUNT(*)
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))
GROUP BY window_start, window_end;
