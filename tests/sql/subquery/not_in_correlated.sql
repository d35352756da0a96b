-- Nulls count among the rows that belong to the outer one.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, price DECIMAL(10, 2)) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, price FROM orders AS o WHERE price NOT IN (SELECT `limit` FROM customers AS c WHERE c.id = o.customer);
