-- Only what each row does is read.
CREATE TABLE products (id INT, name STRING, price DECIMAL(6, 2), shop ROW<city STRING>, PRIMARY KEY (id) NOT ENFORCED) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/changes/products.json', 'format' = 'debezium-json'
);
CREATE TABLE result (n BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT COUNT(*) FROM products;
