CREATE TABLE orders (id BIGINT, customer STRING, quantity INT, paid BOOLEAN) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/filter/orders.json',
    'format' = 'json'
);
CREATE TABLE result (id BIGINT, customer STRING, q INT, unpaid BOOLEAN) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, COALESCE(customer, 'nobody'), COALESCE(quantity, 0) + 1, paid IS NOT TRUE
FROM orders
WHERE paid IS NULL OR NOT paid OR quantity IS NULL;
