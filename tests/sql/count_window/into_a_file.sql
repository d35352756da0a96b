-- The result only grows, so a sink that appends takes it; two keys.
-- parallelism: 1
CREATE TABLE readings (id INT, sensor STRING, `value` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/count_window/readings.json', 'format' = 'json'
);
CREATE TABLE result (sensor STRING, odd BOOLEAN, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{out}/result', 'format' = 'json');
INSERT INTO result SELECT sensor, odd, COUNT(*)
FROM TABLE(COUNT_TUMBLE((SELECT sensor, MOD(id, 2) = 1 AS odd FROM readings) PARTITION BY (sensor, odd), 2)) GROUP BY odd, window_id, sensor;
