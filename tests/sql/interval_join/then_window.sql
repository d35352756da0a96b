-- Event time stays, as late as the join may be, so a window behind it drops nothing.
CREATE TABLE orders (id BIGINT, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/interval_join/orders.json', 'format' = 'json'
);
CREATE TABLE ships (order_id BIGINT, place STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' MINUTE) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/interval_join/ships.json', 'format' = 'json'
);
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE((SELECT o.id, o.ts FROM orders o LEFT JOIN ships s ON o.id = s.order_id AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '1' MINUTE), DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end;
