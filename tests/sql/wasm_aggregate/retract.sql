-- Values of an inner result are taken back.
-- changes: in order
-- parallelism: 1
SET 'pipeline.batch-rows' = '1';
CREATE FUNCTION weighted AS 'examples/wasm-aggregate/weighted_mean.wat' LANGUAGE WASM;
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (k BIGINT, mean DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT k, weighted(total, 1)
FROM (SELECT shop, MOD(COUNT(*), 2) AS k, SUM(n) AS total FROM sales GROUP BY shop) AS t
GROUP BY k;
