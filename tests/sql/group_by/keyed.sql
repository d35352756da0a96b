-- Every aggregate per key; the null key is a key; of no values all but COUNT are null.
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (shop STRING, rows_ BIGINT, ns BIGINT, total INT, least DECIMAL(10, 2), most DECIMAL(10, 2), mean INT, last_item STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT shop, COUNT(*), COUNT(n), SUM(n), MIN(price), MAX(price), AVG(n), MAX(item) FROM orders GROUP BY shop;
