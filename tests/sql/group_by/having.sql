-- HAVING takes a group back when it no longer holds.
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (shop STRING, n BIGINT) WITH ('connector' = 'print');
SET 'pipeline.batch-rows' = '1';
INSERT INTO result SELECT shop, COUNT(*) FROM orders GROUP BY shop HAVING COUNT(*) < 3 AND shop IS NOT NULL;
