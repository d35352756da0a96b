-- Over results that change: the rows that are left are compared.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (customer INT, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
(SELECT customer, COUNT(*) FROM orders GROUP BY customer EXCEPT SELECT 11, COUNT(*) FROM customers)
UNION SELECT customer, COUNT(*) FROM orders GROUP BY customer HAVING COUNT(*) = 1;
