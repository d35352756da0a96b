-- How many windows there are depends on no order.
CREATE TABLE readings (id INT, sensor STRING, `value` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/count_window/readings.json', 'format' = 'json'
);
CREATE TABLE result (sensor STRING, windows BIGINT, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT sensor, COUNT(*), SUM(n) FROM (
    SELECT sensor, window_id, COUNT(*) AS n FROM TABLE(COUNT_TUMBLE(TABLE readings PARTITION BY sensor, 2)) GROUP BY sensor, window_id
) GROUP BY sensor;
