-- Rows that pass within a day of each other. Both times go on as the time at which the result passes.
CREATE TABLE orders (id BIGINT, price INT, p AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/interval_join/orders.json', 'format' = 'json'
);
CREATE TABLE ships (order_id BIGINT, place STRING, p AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/interval_join/ships.json', 'format' = 'json'
);
CREATE TABLE result (id BIGINT, price INT, place STRING, near BOOLEAN) WITH ('connector' = 'filesystem', 'path' = '{out}/result', 'format' = 'json');
INSERT INTO result
SELECT id, price, place, op <= NOW() AND sp < NOW() + INTERVAL '1' DAY
FROM (
    SELECT o.id, o.price, s.place, o.p AS op, s.p AS sp
    FROM orders o LEFT JOIN ships s ON o.id = s.order_id AND o.p BETWEEN s.p - INTERVAL '1' DAY AND s.p + INTERVAL '1' DAY
);
