-- A subquery in a place that makes no join.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT COUNT(*) FILTER (WHERE customer IN (SELECT id FROM customers)) FROM orders;
