-- Rows are taken in the order in which they come.
-- parallelism: 1
CREATE TABLE readings (id INT, sensor STRING, `value` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/count_window/readings.json', 'format' = 'json'
);
CREATE TABLE result (sensor STRING, window_id BIGINT, ids STRING, first_value INT, last_value INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT sensor, window_id, LISTAGG(CAST(id AS STRING), '-'), FIRST_VALUE(`value`), LAST_VALUE(id)
FROM TABLE(COUNT_HOP(TABLE readings PARTITION BY sensor, 2, 3))
GROUP BY sensor, window_id;
