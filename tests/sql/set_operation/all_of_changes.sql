-- The same by counting.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT COUNT(*) FROM orders GROUP BY customer INTERSECT ALL SELECT COUNT(*) FROM orders GROUP BY item;
