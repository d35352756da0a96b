-- The rows of one table, twice.
CREATE TABLE orders (id INT, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/union/orders.json', 'format' = 'json'
);
CREATE TABLE returns (order_id BIGINT, amount DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/union/returns.json', 'format' = 'json'
);
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM orders UNION ALL SELECT id FROM orders;
