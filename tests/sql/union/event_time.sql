-- A column that is event time in every input stays event time, and a window waits for the slowest input.
CREATE TABLE orders (id INT, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/union/orders.json', 'format' = 'json'
);
CREATE TABLE returns (order_id BIGINT, amount DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/union/returns.json', 'format' = 'json'
);
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT, ids BIGINT) WITH ('connector' = 'print');
CREATE VIEW moves AS
SELECT id, ts FROM orders
UNION ALL
SELECT order_id, ts FROM returns;
INSERT INTO result
SELECT window_start, COUNT(*), SUM(id)
FROM TABLE(TUMBLE(TABLE moves, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end;
