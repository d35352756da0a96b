-- Every subset of the columns.
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (shop STRING, item STRING, id BIGINT, c BIGINT, items BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT shop, item, GROUPING_ID(shop, item), COUNT(*), COUNT(DISTINCT item) FROM orders GROUP BY CUBE (shop, item);
