-- An argument is computed only of rows that are aggregated: 100 / 0 fails, and is of a row that WHERE leaves out.
-- parallelism: 1
CREATE TABLE numbers (n INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/count_window/numbers.json', 'format' = 'json');
CREATE TABLE result (window_id BIGINT, quotients DECIMAL(38, 20)) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_id, SUM(CAST(CAST(100 AS DECIMAL(10, 0)) / CAST(n AS DECIMAL(10, 0)) AS DECIMAL(20, 2)))
FROM TABLE(COUNT_TUMBLE(TABLE numbers, 2)) WHERE n <> 0 GROUP BY window_id;
