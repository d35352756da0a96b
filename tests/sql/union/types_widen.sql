-- The types of each column widen to the one that holds both; names come from the first query.
CREATE TABLE orders (id INT, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/union/orders.json', 'format' = 'json'
);
CREATE TABLE returns (order_id BIGINT, amount DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/union/returns.json', 'format' = 'json'
);
CREATE TABLE result (id BIGINT, amount DECIMAL(12, 2), kind STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, price, 'order' FROM orders
UNION ALL
SELECT order_id, amount, 'return' FROM returns WHERE amount > 2
UNION ALL
SELECT id, CAST(NULL AS INT), 'unpaid' FROM orders WHERE price IS NULL;
