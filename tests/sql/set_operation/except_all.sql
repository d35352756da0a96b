-- As often as in the first and not in the second.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (item STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT item FROM orders EXCEPT ALL SELECT item FROM orders WHERE id IN (1, 3);
