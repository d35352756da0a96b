-- Tables with commas and the condition in WHERE, with conditions on each side and on both.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, item STRING, name STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT o.id, o.item, c.name FROM orders o, customers c
WHERE o.customer = c.id AND o.price > c.`limit` - 1 AND c.city <> 'Wien' AND o.item LIKE '%e%';
