-- Rows that were joined with what a table no longer has are taken back; columns of time and filters that nobody reads do not matter.
CREATE TABLE products (id INT, name STRING, price DECIMAL(6, 2), shop ROW<city STRING>, PRIMARY KEY (id) NOT ENFORCED) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/changes/products.json', 'format' = 'debezium-json'
);
CREATE TABLE orders (`order` INT, product INT, n INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/changes/orders.json', 'format' = 'json'
);
CREATE TABLE result (`order` INT, name STRING, amount DECIMAL(17, 2)) WITH ('connector' = 'print');
INSERT INTO result SELECT `order`, name, n * price FROM orders LEFT JOIN products ON product = id;
