-- USING names the column that both have.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id BIGINT, item STRING, name STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT o.id, item, name FROM (SELECT customer AS id, item FROM orders) AS o JOIN customers USING (id);
