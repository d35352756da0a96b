-- Both sides change; the join follows.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (name STRING, orders_ BIGINT, total DECIMAL(38, 2)) WITH ('connector' = 'print');
SET 'pipeline.batch-rows' = '1';
INSERT INTO result
SELECT c.name, o.n, o.total
FROM (SELECT customer, COUNT(*) AS n, SUM(price) AS total FROM orders GROUP BY customer) AS o
JOIN (SELECT id, MAX(name) AS name FROM customers GROUP BY id) AS c ON o.customer = c.id;
