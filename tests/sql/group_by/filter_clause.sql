-- FILTER leaves rows out of one aggregate.
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (shop STRING, all_ BIGINT, teas BIGINT, cheap DECIMAL(38, 2), dear BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, COUNT(*), COUNT(*) FILTER (WHERE item = 'tea'), SUM(price) FILTER (WHERE price < 3), COUNT(DISTINCT item) FILTER (WHERE price > 3)
FROM orders GROUP BY shop;
