-- parallelism: 10000
CREATE TABLE orders (id BIGINT, item STRING, ts TIMESTAMP(3)) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/errors/orders.json',
    'format' = 'json'
);
CREATE TABLE result (id BIGINT, item STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, item FROM orders;
