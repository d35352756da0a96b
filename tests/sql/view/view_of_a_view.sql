CREATE TABLE orders (id BIGINT, item STRING, quantity INT) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/view/orders.json',
    'format' = 'json'
);
CREATE VIEW pens AS SELECT id, quantity FROM orders WHERE item = 'pen';
CREATE VIEW many_pens (order_id, pens) AS SELECT id, quantity * 2 FROM pens WHERE quantity > 5;
CREATE TABLE result (order_id BIGINT, pens INT) WITH ('connector' = 'print');
INSERT INTO result SELECT order_id, pens FROM many_pens;
