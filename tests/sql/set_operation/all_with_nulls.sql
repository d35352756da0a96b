-- Null is equal to null; several columns, of types that widen.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (customer BIGINT, item STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT customer, item FROM orders EXCEPT ALL SELECT id, 'tea' FROM customers;
