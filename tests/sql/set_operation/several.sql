-- In one query, by their rank: INTERSECT binds tighter.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id FROM customers UNION SELECT 1 EXCEPT ALL SELECT customer FROM orders INTERSECT SELECT id FROM customers;
