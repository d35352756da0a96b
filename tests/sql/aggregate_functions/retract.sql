-- Values of an inner result are taken back.
-- changes: in order
-- parallelism: 1
SET 'pipeline.batch-rows' = '1';
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (k BIGINT, firsts STRING, lasts STRING, listed STRING, arrayed ARRAY<STRING>, collected MULTISET<STRING>, d INT, j STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT k, FIRST_VALUE(last_item), LAST_VALUE(last_item), LISTAGG(last_item), ARRAY_AGG(last_item), COLLECT(last_item), VAR_POP(n), JSON_ARRAYAGG(n)
FROM (SELECT shop, MOD(COUNT(*), 2) AS k, LAST_VALUE(item) AS last_item, SUM(n) AS n FROM sales GROUP BY shop) AS t
GROUP BY k;
