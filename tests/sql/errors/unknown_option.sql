CREATE TABLE orders (id BIGINT) WITH (
    'connector' = 'filesystem',
    'pth' = 'tests/sql/errors/orders.json',
    'format' = 'json'
);
CREATE TABLE result (id BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM orders;
