-- Windows of four rows of each sensor; null is a sensor like others. What is not complete in the end is not emitted.
-- parallelism: 1
-- changes: in order
CREATE TABLE readings (id INT, sensor STRING, `value` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/count_window/readings.json', 'format' = 'json'
);
CREATE TABLE result (sensor STRING, n BIGINT, total INT, mean INT, window_id BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT sensor, COUNT(*), SUM(`value`), AVG(`value`), window_id
FROM TABLE(COUNT_TUMBLE(TABLE readings PARTITION BY sensor, 4))
GROUP BY sensor, window_id;
