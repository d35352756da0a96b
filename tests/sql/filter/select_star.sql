CREATE TABLE orders (id BIGINT, customer STRING, item STRING, quantity INT, price DOUBLE, paid BOOLEAN) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/filter/orders.json',
    'format' = 'json'
);
CREATE TABLE result (id BIGINT, customer STRING, item STRING, quantity INT, price DOUBLE, paid BOOLEAN)
WITH ('connector' = 'print');
INSERT INTO result SELECT * FROM orders;
