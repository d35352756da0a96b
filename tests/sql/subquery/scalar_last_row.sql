-- The first row of an order per outer row.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, name STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, (SELECT name FROM customers AS c WHERE c.id = o.customer ORDER BY name DESC LIMIT 1) FROM orders AS o;
