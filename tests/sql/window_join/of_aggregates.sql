-- Results of windows, joined by window and key (Nexmark q8).
CREATE TABLE orders (id BIGINT, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/interval_join/orders.json', 'format' = 'json'
);
CREATE TABLE ships (order_id BIGINT, place STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' MINUTE) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/interval_join/ships.json', 'format' = 'json'
);
CREATE TABLE result (id BIGINT, starts TIMESTAMP(3), orders BIGINT, ships BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT o.id, o.window_start, o.n, s.n FROM (SELECT id, window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY id, window_start, window_end) o JOIN (SELECT order_id, window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE ships, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY order_id, window_start, window_end) s ON o.id = s.order_id AND o.window_start = s.window_start AND o.window_end = s.window_end;
