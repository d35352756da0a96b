-- The same of the right side.
CREATE TABLE orders (id BIGINT, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/interval_join/orders.json', 'format' = 'json'
);
CREATE TABLE ships (order_id BIGINT, place STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' MINUTE) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/interval_join/ships.json', 'format' = 'json'
);
CREATE TABLE result (place STRING, price INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT s.place, o.price FROM orders o RIGHT JOIN ships s ON o.id = s.order_id AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '1' MINUTE;
