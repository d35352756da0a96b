-- A comparison with a null is neither true nor false: such rows are dropped.
CREATE TABLE orders (
    id BIGINT,
    customer STRING,
    item STRING,
    quantity INT,
    price DOUBLE,
    paid BOOLEAN
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/filter/orders.json',
    'format' = 'json'
);
CREATE TABLE result (id BIGINT, quantity INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id, quantity FROM orders WHERE quantity >= 2 AND price < 10 AND item <> 'ink';
