-- True, false and null.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, known BOOLEAN, unknown BOOLEAN, certain BOOLEAN) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, customer IN (SELECT id FROM customers), customer NOT IN (SELECT id FROM customers),
customer IN (SELECT id FROM customers WHERE id IS NOT NULL) FROM orders;
