-- Sums, least and most follow the changes of a table.
CREATE TABLE products (id INT, name STRING, price DECIMAL(6, 2), shop ROW<city STRING>, PRIMARY KEY (id) NOT ENFORCED) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/changes/products.json', 'format' = 'debezium-json'
);
CREATE TABLE result (city STRING, n BIGINT, total DECIMAL(38, 2), least DECIMAL(6, 2), most DECIMAL(6, 2)) WITH ('connector' = 'print');
INSERT INTO result SELECT shop.city, COUNT(*), SUM(price), MIN(price), MAX(price) FROM products GROUP BY shop.city;
