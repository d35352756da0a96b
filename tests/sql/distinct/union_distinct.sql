-- UNION without ALL gives each row once.
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (x STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT shop FROM orders UNION SELECT item FROM orders;
