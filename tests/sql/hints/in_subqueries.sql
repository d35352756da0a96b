-- Hints of a SELECT within a condition, of a view, of a CTE and of a query without a name.
CREATE TABLE orders (id INT, customer STRING, amount INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/orders.json', 'format' = 'json'
);
CREATE TABLE customers (name STRING, city STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/hints/customers.json', 'format' = 'json'
);
CREATE TABLE result (what STRING, n BIGINT) WITH ('connector' = 'print');
CREATE VIEW known AS SELECT /*+ STATE_TTL('c' = '1 d') */ o.id FROM orders AS o JOIN customers AS c ON o.customer = c.name;
INSERT INTO result
SELECT 'exists', COUNT(*) FROM orders AS o
WHERE EXISTS (SELECT /*+ STATE_TTL('c' = '1 d') */ 1 FROM customers AS c WHERE c.name = o.customer)
UNION ALL
SELECT /*+ STATE_TTL('known' = '1 h') */ 'view', COUNT(*) FROM known
UNION ALL
SELECT 'cte', n FROM (
    WITH rich AS (SELECT /*+ STATE_TTL('orders' = '1 d') */ customer, SUM(amount) AS total FROM orders GROUP BY customer)
    SELECT /*+ STATE_TTL('rich' = '1 d', 'x' = '2 d') */ COUNT(*) AS n FROM rich JOIN customers AS x ON rich.customer = x.name
)
UNION ALL
SELECT 'other', COUNT(*) FROM customers /*+ OPTIONS('path' = 'tests/sql/hints/other_customers.json') */
WHERE name IN (SELECT name FROM customers);
