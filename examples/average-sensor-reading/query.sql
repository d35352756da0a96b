-- title: Average sensor reading
-- description: Averages the temperatures that each sensor sent in 10-second windows; readings arrive up to 2 seconds out of order.

CREATE TABLE readings (
    sensor STRING,
    reading_time TIMESTAMP(3),
    temperature DOUBLE,
    WATERMARK FOR reading_time AS reading_time - INTERVAL '2' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/average-sensor-reading/readings.json',
    'format' = 'json'
);

CREATE TABLE average_readings (
    sensor STRING,
    window_start TIMESTAMP(3),
    window_end TIMESTAMP(3),
    average DOUBLE,
    readings BIGINT
) WITH (
    'connector' = 'print'
);

INSERT INTO average_readings
SELECT sensor, window_start, window_end, AVG(temperature), COUNT(temperature)
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(reading_time), INTERVAL '10' SECOND))
GROUP BY sensor, window_start, window_end;
