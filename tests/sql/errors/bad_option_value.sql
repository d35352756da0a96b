CREATE TABLE orders (id BIGINT) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/errors/orders.json',
    'format' = 'json',
    'json.ignore-parse-errors' = 'yes'
);
CREATE TABLE result (id BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM orders;
