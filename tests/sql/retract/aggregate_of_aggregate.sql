-- The inner results change: the outer sums, counts, least and most follow.
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (n BIGINT, shops BIGINT, total INT, least INT, most DECIMAL(10, 2), mean INT, kinds BIGINT) WITH ('connector' = 'print');
SET 'pipeline.batch-rows' = '1';
INSERT INTO result
SELECT n, COUNT(*), SUM(total), MIN(total), MAX(most), AVG(total), COUNT(DISTINCT total)
FROM (SELECT shop, COUNT(*) AS n, SUM(n) AS total, MAX(price) AS most FROM orders GROUP BY shop) AS s
GROUP BY n;
