-- IN of a subquery, and a condition beside it.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, item STRING, name STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, item, 'x' FROM orders WHERE customer IN (SELECT id FROM customers WHERE city <> 'Linz') AND id > 1;
