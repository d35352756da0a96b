-- Without keys there is one group.
-- changes: in order
SET 'pipeline.batch-rows' = '3';
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (orders_ BIGINT, total INT) WITH ('connector' = 'print');
INSERT INTO result SELECT COUNT(*), SUM(n) FROM orders;
