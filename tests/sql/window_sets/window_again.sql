-- The result belongs to its windows: it is aggregated by them again, and by longer windows of its window_time.
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
CREATE TABLE result (what STRING, starts TIMESTAMP(3), sets BIGINT, n BIGINT) WITH ('connector' = 'print');
CREATE VIEW sets AS
SELECT window_start, window_end, window_time AS ts, country, COUNT(*) AS n, COUNT(DISTINCT `user`) AS users
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY GROUPING SETS ((window_start, window_end, window_time, country), (window_start, window_end, window_time));
INSERT INTO result
SELECT 'same', window_start, COUNT(*), SUM(users) FROM sets GROUP BY window_start, window_end
UNION ALL
SELECT 'longer', window_start, COUNT(*), SUM(n) FROM TABLE(TUMBLE((SELECT ts, n FROM sets), DESCRIPTOR(ts), INTERVAL '10' MINUTE))
GROUP BY window_start, window_end;
