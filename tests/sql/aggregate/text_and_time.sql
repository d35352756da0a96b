-- Text and time have an order, so they have a least and a most.
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
CREATE TABLE result (k STRING, first_text STRING, last_text STRING, first_ts TIMESTAMP(3), last_ts TIMESTAMP(3))
WITH ('connector' = 'print');
INSERT INTO result
SELECT k, MIN(s), MAX(s), MIN(ts), MAX(ts)
FROM TABLE(TUMBLE(TABLE vals, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end;
