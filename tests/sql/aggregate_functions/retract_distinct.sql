-- Distinct values go with the last row that has them.
-- parallelism: 1
-- checkpoints: none, because the order of distinct values depends on which changes are in one batch
SET 'pipeline.batch-rows' = '1';
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (k INT, listed STRING, n BIGINT, arrayed ARRAY<BIGINT>) WITH ('connector' = 'print');
INSERT INTO result
SELECT k, LISTAGG(DISTINCT CAST(c AS STRING)), COUNT(DISTINCT c, k), ARRAY_AGG(DISTINCT c)
FROM (SELECT 1 AS k, shop, COUNT(*) AS c FROM sales GROUP BY shop) AS t
GROUP BY k;
