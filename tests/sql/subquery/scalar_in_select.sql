-- One value per row, null without a row.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, most DECIMAL(10, 2), n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, (SELECT MAX(`limit`) FROM customers AS c WHERE c.id = o.customer), (SELECT COUNT(*) FROM customers AS c WHERE c.id = o.customer) FROM orders AS o;
