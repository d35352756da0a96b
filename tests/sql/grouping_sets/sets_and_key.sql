-- A plain key belongs to every set; HAVING sees what GROUPING says.
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (cheap BOOLEAN, shop STRING, item STRING, c BIGINT, most DECIMAL(10, 2)) WITH ('connector' = 'print');
INSERT INTO result SELECT price < 3, shop, item, COUNT(*), MAX(price) FROM orders
WHERE price IS NOT NULL
GROUP BY price < 3, GROUPING SETS ((shop), (item), ()) HAVING COUNT(*) > 1 OR GROUPING(item) = 0;
