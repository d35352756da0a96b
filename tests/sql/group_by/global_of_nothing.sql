-- No row, no result, as in Flink's streaming mode.
CREATE TABLE orders (id INT, shop STRING, item STRING, n INT, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/group_by/orders.json', 'format' = 'json'
);
CREATE TABLE result (orders_ BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT COUNT(*) FROM orders WHERE id > 100;
