-- Each row once, as soon as it is seen: rows are only appended, so that a file can take them.
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (item STRING, cheap BOOLEAN) WITH ('connector' = 'filesystem', 'path' = '{out}/result', 'format' = 'json');
INSERT INTO result SELECT DISTINCT item, price < 3 FROM orders;
