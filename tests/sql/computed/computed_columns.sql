-- A computed column is read like any other, and may lean on others.
CREATE TABLE readings (
    sensor STRING,
    celsius DOUBLE,
    fahrenheit AS celsius * 9 / 5 + 32,
    label AS UPPER(sensor) || '!'
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/computed/readings.json',
    'format' = 'json'
);
CREATE TABLE result (label STRING, fahrenheit DOUBLE) WITH ('connector' = 'print');
INSERT INTO result SELECT label, fahrenheit FROM readings WHERE fahrenheit > 0 OR celsius IS NULL;
