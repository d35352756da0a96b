-- Rows with their windows, at once and once per window; the greatest of each window by a Top-N.
-- parallelism: 1
CREATE TABLE readings (id INT, sensor STRING, `value` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/count_window/readings.json', 'format' = 'json'
);
CREATE TABLE result (what STRING, id INT, window_id BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT 'row', id, window_id FROM TABLE(COUNT_HOP(TABLE readings PARTITION BY sensor, 1, 2)) WHERE sensor IS NULL OR sensor = 'b'
UNION ALL
SELECT 'most', id, window_id FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY sensor, window_id ORDER BY `value` DESC) AS n
    FROM TABLE(COUNT_TUMBLE(TABLE readings PARTITION BY sensor, 3))
) WHERE n = 1;
