-- Rows are counted though no column is read.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE result (c BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT COUNT(*) FROM orders;
