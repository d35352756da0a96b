-- Every two rows over the last three; the first window has but two.
-- parallelism: 1
CREATE TABLE readings (id INT, sensor STRING, `value` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/count_window/readings.json', 'format' = 'json'
);
CREATE TABLE result (window_id BIGINT, sensor STRING, n BIGINT, total INT, least INT, most INT, kinds BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_id, sensor, COUNT(*), SUM(`value`), MIN(`value`), MAX(id), COUNT(DISTINCT `value`)
FROM TABLE(COUNT_HOP(DATA => TABLE readings PARTITION BY (sensor), SLIDE => 2, SIZE => 3))
GROUP BY window_id, sensor;
