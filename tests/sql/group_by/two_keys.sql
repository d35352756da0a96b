-- Two keys and an expression as key.
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (shop STRING, item STRING, even BOOLEAN, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT shop, UPPER(item), MOD(id, 2) = 0, COUNT(*) FROM orders GROUP BY shop, UPPER(item), MOD(id, 2) = 0;
