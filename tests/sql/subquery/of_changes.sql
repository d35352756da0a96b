-- Over results that change.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (customer INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT customer FROM (SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer) WHERE n NOT IN (SELECT COUNT(*) FROM customers GROUP BY city HAVING COUNT(*) > 1) AND customer IS NOT NULL;
