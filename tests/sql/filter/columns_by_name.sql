-- Columns that INSERT does not name are null; those it names may come in any order.
CREATE TABLE orders (id BIGINT, customer STRING) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/filter/orders.json',
    'format' = 'json'
);
CREATE TABLE result (id BIGINT, note STRING, customer STRING) WITH ('connector' = 'print');
INSERT INTO result (customer, id) SELECT customer, id FROM orders WHERE id < 3;
