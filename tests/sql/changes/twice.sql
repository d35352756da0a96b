-- A table of changes is read once, however many queries read it, each its own columns.
CREATE TABLE products (id INT, name STRING, price DECIMAL(6, 2), shop ROW<city STRING>, PRIMARY KEY (id) NOT ENFORCED) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/changes/products.json', 'format' = 'debezium-json'
);
CREATE TABLE names (name STRING) WITH ('connector' = 'print');
CREATE TABLE dear (id INT, price DECIMAL(6, 2)) WITH ('connector' = 'print');
EXECUTE STATEMENT SET BEGIN
INSERT INTO names SELECT name FROM products;
INSERT INTO dear SELECT id, price FROM products WHERE price > 2;
END;
