CREATE TABLE orders (id BIGINT, item STRING, quantity INT) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/view/orders.json',
    'format' = 'json'
);
CREATE TABLE result (id BIGINT, twice INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT o.id, o.twice FROM (SELECT id, quantity * 2 AS twice FROM orders WHERE quantity < 10) AS o WHERE o.twice > 4;
