-- Groups compared with all rows.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (item STRING, s DECIMAL(38, 2)) WITH ('connector' = 'print');
INSERT INTO result
SELECT item, SUM(price) FROM orders GROUP BY item HAVING SUM(price) > (SELECT AVG(price) FROM orders);
