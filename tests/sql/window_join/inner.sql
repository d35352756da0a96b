-- Rows of the same window.
CREATE TABLE orders (id BIGINT, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/interval_join/orders.json', 'format' = 'json'
);
CREATE TABLE ships (order_id BIGINT, place STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' MINUTE) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/interval_join/ships.json', 'format' = 'json'
);
CREATE TABLE result (window_start TIMESTAMP(3), id BIGINT, place STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT o.window_start, o.id, s.place FROM (SELECT * FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) o JOIN (SELECT * FROM TABLE(TUMBLE(TABLE ships, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) s ON o.window_start = s.window_start AND o.window_end = s.window_end AND o.id = s.order_id;
