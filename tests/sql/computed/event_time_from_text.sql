-- checkpoints: none, because a row is late if the one before it is in another batch
CREATE TABLE readings (
    sensor STRING,
    celsius DOUBLE,
    at_text STRING,
    ts AS CAST(at_text AS TIMESTAMP(3)),
    WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/computed/readings.json',
    'format' = 'json'
);
CREATE TABLE result (window_start TIMESTAMP(3), readings BIGINT, warmest DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*), MAX(celsius)
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
