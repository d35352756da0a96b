-- A filter and an expression between the aggregations.
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
CREATE TABLE result (window_end TIMESTAMP(3), twice BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_end, SUM(doubled)
FROM (
    SELECT country, COUNT(*) * 2 AS doubled, window_start, window_end
    FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
    GROUP BY country, window_start, window_end
)
WHERE doubled > 2
GROUP BY window_start, window_end;
