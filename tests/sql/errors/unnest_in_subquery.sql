-- UNNEST of an outer query's column.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2), tags ARRAY<INT>) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE customers (id BIGINT, name STRING, city STRING, `limit` DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id FROM orders AS o WHERE EXISTS (SELECT 1 FROM UNNEST(o.tags) AS t (x) WHERE x > 1);
