-- Percentiles of a result that changes.
-- changes: in order
-- parallelism: 1
SET 'pipeline.batch-rows' = '1';
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (k INT, median DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT k, PERCENTILE(DISTINCT total, 0.5) FROM (SELECT 1 AS k, shop, SUM(n) AS total FROM sales GROUP BY shop) AS t GROUP BY k;
