-- Three inputs, and an expression over all.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (t STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT CONCAT_WS('-', a.item, c.name, b.item) FROM orders AS a JOIN customers AS c ON a.customer = c.id JOIN orders AS b ON b.customer = c.id AND b.id > a.id;
