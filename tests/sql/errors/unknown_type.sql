CREATE TABLE orders (id BIGNT) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/errors/orders.json',
    'format' = 'json'
);
CREATE TABLE result (id BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM orders;
