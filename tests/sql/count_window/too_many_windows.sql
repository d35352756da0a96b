CREATE TABLE readings (id INT, sensor STRING, `value` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/count_window/readings.json', 'format' = 'json'
);
CREATE TABLE result (sensor STRING, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT sensor, COUNT(*) FROM TABLE(COUNT_HOP(TABLE readings PARTITION BY sensor, 1, 5000)) GROUP BY sensor, window_id;
