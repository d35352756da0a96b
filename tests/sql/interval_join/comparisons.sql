-- Bounds as comparisons, one of them strict, with the sides turned round.
CREATE TABLE orders (id BIGINT, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/interval_join/orders.json', 'format' = 'json'
);
CREATE TABLE ships (order_id BIGINT, place STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' MINUTE) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/interval_join/ships.json', 'format' = 'json'
);
CREATE TABLE result (id BIGINT, place STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT o.id, s.place FROM orders o JOIN ships s ON o.id = s.order_id AND o.ts > s.ts - INTERVAL '1' MINUTE AND s.ts >= o.ts - INTERVAL '1' SECOND;
