-- What a query leaves out before the window is not counted; what WHERE behind it leaves out is, and is not aggregated. HAVING and a
-- condition on window_id choose among windows.
-- parallelism: 1
CREATE TABLE readings (id INT, sensor STRING, `value` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/count_window/readings.json', 'format' = 'json'
);
CREATE TABLE result (what STRING, sensor STRING, window_id BIGINT, n BIGINT, total INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT 'before', sensor, window_id, COUNT(*), SUM(`value`)
FROM TABLE(COUNT_TUMBLE((SELECT * FROM readings WHERE `value` IS NOT NULL) PARTITION BY sensor, 2)) GROUP BY sensor, window_id
UNION ALL
SELECT 'behind', sensor, window_id, COUNT(*), SUM(`value`)
FROM TABLE(COUNT_TUMBLE(TABLE readings PARTITION BY sensor, 2)) WHERE `value` <> 16 AND `value` <> 32 GROUP BY sensor, window_id
UNION ALL
SELECT 'chosen', sensor, window_id, COUNT(*), SUM(`value`)
FROM TABLE(COUNT_TUMBLE(TABLE readings PARTITION BY sensor, 2)) WHERE window_id > 0 GROUP BY sensor, window_id HAVING SUM(`value`) > 10;
