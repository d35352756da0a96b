-- Rows without a match come with nulls; null keys have none.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, item STRING, name STRING) WITH ('connector' = 'print');
SET 'pipeline.batch-rows' = '1';
INSERT INTO result SELECT o.id, o.item, c.name FROM orders AS o RIGHT JOIN customers AS c ON o.customer = c.id;
