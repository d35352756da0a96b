-- Sets of a result that changes: what is taken back is taken back from each of them.
SET 'pipeline.batch-rows' = '2';
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (item STRING, many BOOLEAN, shops BIGINT, c BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT item, many, COUNT(*), SUM(c) FROM (
    SELECT shop, item, COUNT(*) AS c, COUNT(*) > 1 AS many FROM orders GROUP BY shop, item
) GROUP BY GROUPING SETS ((item, many), (many), ());
