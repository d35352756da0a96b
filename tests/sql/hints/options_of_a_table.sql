-- The options behind a table's name take the place of the table's own, for that use alone.
CREATE TABLE orders (id INT, customer STRING, amount INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/orders.json', 'format' = 'json'
);
CREATE TABLE customers (name STRING, city STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, city STRING, other STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, c.city, o.city
FROM orders
LEFT JOIN customers AS c ON customer = c.name
LEFT JOIN customers /*+ OPTIONS('path' = 'tests/sql/hints/other_customers.json') */ AS o ON customer = o.name;
