-- State that goes after a day is all there in a run of moments: results are as ever.
SET 'table.exec.state.ttl' = '1 d';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, customer STRING, amount INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/orders.json', 'format' = 'json'
);
CREATE TABLE customers (name STRING, city STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/customers.json', 'format' = 'json'
);
CREATE TABLE result (city STRING, n BIGINT, most INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT city, COUNT(*), MAX(amount) FROM orders LEFT JOIN customers ON customer = name GROUP BY city;
