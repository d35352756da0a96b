-- Every three rows over the last one: the others are in no window.
-- parallelism: 1
CREATE TABLE readings (id INT, sensor STRING, `value` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/count_window/readings.json', 'format' = 'json'
);
CREATE TABLE result (id INT, window_id BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT MAX(id), window_id FROM TABLE(COUNT_HOP(TABLE readings, 3, 1)) GROUP BY window_id;
