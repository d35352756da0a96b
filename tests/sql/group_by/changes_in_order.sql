-- One row a batch: each row of a key is a change; a result that stays the same is none.
-- changes: in order
-- parallelism: 1
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (shop STRING, most DECIMAL(10, 2)) WITH ('connector' = 'print');
INSERT INTO result SELECT shop, MAX(price) FROM orders GROUP BY shop;
