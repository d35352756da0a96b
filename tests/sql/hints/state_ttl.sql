-- Inputs that are kept for times of their own, by alias, by name and of a query; joins of three, an aggregation, a subquery.
CREATE TABLE orders (id INT, customer STRING, amount INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/orders.json', 'format' = 'json'
);
CREATE TABLE customers (name STRING, city STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/customers.json', 'format' = 'json'
);
CREATE TABLE result (city STRING, n BIGINT, amount INT, most INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT /*+ STATE_TTL('j' = '2 d') */ city, COUNT(*), SUM(amount), MAX(most) FROM (
    SELECT /*+ STATE_TTL('o' = '1 d', 'customers' = '0 s'), STATE_TTL('m' = '12h') */ city, o.amount, most
    FROM orders AS o
    JOIN customers ON o.customer = customers.name
    JOIN (SELECT /*+ STATE_TTL('orders' = '3 d') */ customer, MAX(amount) AS most FROM orders GROUP BY customer) AS m ON o.customer = m.customer
) AS j
GROUP BY city;
