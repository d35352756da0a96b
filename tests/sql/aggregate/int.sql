-- Flink's SUM of an INT is an INT and wraps around; a cast keeps it whole.
CREATE TABLE vals (
    k STRING,
    i INT,
    l BIGINT,
    d DOUBLE,
    s STRING,
    n DECIMAL(10, 2),
    ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/aggregate/values.json',
    'format' = 'json'
);
CREATE TABLE result (k STRING, total BIGINT, most INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT k, SUM(CAST(i AS BIGINT)), MAX(i)
FROM TABLE(TUMBLE(TABLE vals, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end;
