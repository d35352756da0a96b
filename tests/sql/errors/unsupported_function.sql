CREATE TABLE readings (
    sensor STRING,
    at_ms BIGINT,
    ts AS HASH_CODE(sensor),
    WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/computed/readings.json',
    'format' = 'json'
);
CREATE TABLE result (sensor STRING, readings BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT sensor, COUNT(*)
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY sensor, window_start, window_end;
