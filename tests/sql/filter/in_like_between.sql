CREATE TABLE orders (id BIGINT, customer STRING, item STRING, quantity INT) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/filter/orders.json',
    'format' = 'json'
);
CREATE TABLE result (id BIGINT, who STRING, size STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT
    id,
    UPPER(customer),
    CASE WHEN quantity BETWEEN 1 AND 2 THEN 'small' WHEN quantity > 5 THEN 'large' ELSE 'medium' END
FROM orders
WHERE item IN ('pen', 'ink') OR item LIKE 'Pen%';
