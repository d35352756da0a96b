-- A value of a type without an order.
CREATE TABLE orders (id INT, tags ARRAY<STRING>) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, tags ARRAY<STRING>) WITH ('connector' = 'print');
INSERT INTO result SELECT id, (SELECT tags FROM orders WHERE id = 1) FROM orders WHERE id > 3;
