-- Changes are written as Debezium has them.
-- parallelism: 1
-- checkpoints: none, because what a batch does to a row several times is written once
CREATE TABLE products (id INT, name STRING, price DECIMAL(6, 2), shop ROW<city STRING>, PRIMARY KEY (id) NOT ENFORCED) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/changes/products.json', 'format' = 'debezium-json'
);
CREATE TABLE result (city STRING, n BIGINT) WITH (
    'connector' = 'filesystem', 'path' = '{out}/result', 'format' = 'debezium-json'
);
INSERT INTO result SELECT shop.city, COUNT(*) FROM products GROUP BY shop.city;
