CREATE TABLE orders (id BIGINT) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/errors/orders.json',
    'format' = 'jsn'
);
CREATE TABLE result (id BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM orders;
