-- The changes themselves are those of the table.
-- changes: in order
-- parallelism: 1
CREATE TABLE products (id INT, name STRING, price DECIMAL(6, 2), shop ROW<city STRING>, PRIMARY KEY (id) NOT ENFORCED) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/changes/products.json', 'format' = 'debezium-json'
);
CREATE TABLE result (id INT, price DECIMAL(6, 2)) WITH ('connector' = 'print');
INSERT INTO result SELECT id, price FROM products;
