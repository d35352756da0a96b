-- A distinct row goes when its last reason goes.
-- changes: in order
-- parallelism: 1
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (n BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT DISTINCT n FROM (SELECT shop, COUNT(*) AS n FROM orders GROUP BY shop) AS s;
