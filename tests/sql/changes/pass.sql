-- Changes of a table go through a filter and to a sink as they are: a row that no longer passes is taken back.
CREATE TABLE products (id INT, name STRING, price DECIMAL(6, 2), shop ROW<city STRING>, PRIMARY KEY (id) NOT ENFORCED) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/changes/products.json', 'format' = 'debezium-json'
);
CREATE TABLE result (name STRING, price DECIMAL(6, 2), city STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT name, price, shop.city FROM products WHERE price > 1;
