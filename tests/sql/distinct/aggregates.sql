-- Each value of a group counts once; nulls do not count.
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (shop STRING, items BIGINT, ns BIGINT, total INT, mean DECIMAL(38, 6), n BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT shop, COUNT(DISTINCT item), COUNT(DISTINCT n), SUM(DISTINCT n), AVG(DISTINCT price), COUNT(*) FROM orders GROUP BY shop;
