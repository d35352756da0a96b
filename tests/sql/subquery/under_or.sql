-- EXISTS and IN beside other conditions.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id FROM orders AS o WHERE item = 'cake' OR EXISTS (SELECT 1 FROM customers AS c WHERE c.id = o.customer AND c.city = 'Graz')
OR customer IN (SELECT id FROM customers WHERE city = 'Wien');
