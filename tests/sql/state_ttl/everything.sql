-- All that keeps rows: DISTINCT, Top-N, deduplication, joins of every kind, sets of rows.
SET 'table.exec.state.ttl' = '36 h';
CREATE TABLE orders (id INT, customer STRING, amount INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/orders.json', 'format' = 'json'
);
CREATE TABLE customers (name STRING, city STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/customers.json', 'format' = 'json'
);
CREATE TABLE distincts (customer STRING) WITH ('connector' = 'print');
CREATE TABLE tops (customer STRING, amount INT, n BIGINT) WITH ('connector' = 'print');
CREATE TABLE known (id INT) WITH ('connector' = 'print');
CREATE TABLE sets (name STRING) WITH ('connector' = 'print');
CREATE TABLE ranked_sums (customer STRING, amount INT) WITH ('connector' = 'print');
BEGIN STATEMENT SET;
INSERT INTO distincts SELECT DISTINCT customer FROM orders;
INSERT INTO tops SELECT customer, amount, n FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY amount DESC) AS n FROM orders) WHERE n <= 2;
INSERT INTO known SELECT id FROM orders WHERE customer IN (SELECT name FROM customers WHERE city IS NOT NULL);
INSERT INTO sets SELECT customer FROM orders EXCEPT SELECT name FROM customers;
INSERT INTO ranked_sums SELECT customer, amount FROM (
    SELECT customer, SUM(amount) AS amount FROM orders GROUP BY customer) ORDER BY amount DESC LIMIT 2;
END;
