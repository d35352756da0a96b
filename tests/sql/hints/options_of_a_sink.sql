-- A sink's options may be given where it is written to; the hint may stand on several lines.
CREATE TABLE orders (id INT, customer STRING, amount INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/orders.json', 'format' = 'json'
);
CREATE TABLE customers (name STRING, city STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/customers.json', 'format' = 'json'
);
CREATE TABLE result (id INT, amount INT) WITH ('connector' = 'filesystem', 'path' = 'nowhere', 'format' = 'csv');
INSERT INTO result /*+ OPTIONS(
    'path' = '{out}/result',
    'format' = 'json') */
SELECT id, amount FROM orders;
