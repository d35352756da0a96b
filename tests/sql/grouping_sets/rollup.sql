-- The null of a set that leaves the shop out is not the shop that is null: GROUPING tells them apart.
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (shop STRING, item STRING, shop_out BIGINT, both BIGINT, c BIGINT, n INT) WITH ('connector' = 'print');
INSERT INTO result SELECT shop, item, GROUPING(shop), GROUPING_ID(shop, item), COUNT(*), SUM(n) FROM orders GROUP BY ROLLUP (shop, item);
