CREATE TABLE orders (id INT, customer STRING, amount INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/orders.json', 'format' = 'json'
);
CREATE TABLE customers (name STRING, city STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, city STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT /*+ STATE_TTL('o' = 'a day') */ id, city FROM orders AS o JOIN customers ON o.customer = customers.name;
