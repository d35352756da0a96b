CREATE TABLE orders (id INT, customer STRING, amount INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/orders.json', 'format' = 'json'
);
CREATE TABLE customers (name STRING, city STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, city STRING) WITH ('connector' = 'print');
CREATE VIEW big AS SELECT id, customer FROM orders WHERE amount > 5;
INSERT INTO result SELECT id, customer FROM big /*+ OPTIONS('path' = 'elsewhere') */;
