-- An unknown is as good as false there, too.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, name STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT o.id, c.name FROM orders AS o JOIN customers AS c ON o.customer = c.id AND (o.id = 1 OR c.name NOT IN (SELECT city FROM customers));
