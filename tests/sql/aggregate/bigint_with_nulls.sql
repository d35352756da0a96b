-- Nulls don't count; a group of nulls alone counts 0 and has no sum, minimum, maximum or average.
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
CREATE TABLE result (
    k STRING,
    all_rows BIGINT,
    known BIGINT,
    total BIGINT,
    least BIGINT,
    most BIGINT,
    mean BIGINT
) WITH ('connector' = 'print');
INSERT INTO result
SELECT k, COUNT(*), COUNT(l), SUM(l), MIN(l), MAX(l), AVG(l)
FROM TABLE(TUMBLE(TABLE vals, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end;
