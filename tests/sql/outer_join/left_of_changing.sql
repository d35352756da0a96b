-- The right side changes: a row loses its last match and is alone again.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, city STRING) WITH ('connector' = 'print');
SET 'pipeline.batch-rows' = '1';
INSERT INTO result SELECT o.id, c.city FROM orders AS o
LEFT JOIN (SELECT id, MAX(city) AS city FROM customers GROUP BY id HAVING COUNT(*) = 1) AS c ON o.customer = c.id;
