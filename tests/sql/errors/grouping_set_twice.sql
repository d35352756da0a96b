CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (shop STRING, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT shop, COUNT(*) FROM orders GROUP BY GROUPING SETS ((shop), (shop));
