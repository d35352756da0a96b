-- In SELECT, and in CASE.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, known BOOLEAN, place STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, EXISTS (SELECT 1 FROM customers AS c WHERE c.id = o.customer),
CASE WHEN customer IN (SELECT id FROM customers WHERE city = 'Graz') THEN 'Graz' WHEN customer IS NULL THEN 'none' ELSE 'elsewhere' END FROM orders AS o;
