-- In the condition of an inner join.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, name STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT o.id, c.name FROM orders AS o JOIN customers AS c ON o.customer = c.id AND o.price < (SELECT AVG(price) FROM orders)
AND (c.city IN (SELECT city FROM customers WHERE name = 'Ada') OR c.`limit` NOT IN (SELECT price FROM orders WHERE id = 2));
