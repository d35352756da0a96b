-- A table with itself.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (a INT, b INT) WITH ('connector' = 'print');
INSERT INTO result SELECT a.id, b.id FROM orders AS a JOIN orders AS b ON a.item = b.item AND a.id < b.id;
