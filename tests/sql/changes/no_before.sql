-- Without the row before, an update cannot take it back.
CREATE TABLE products (id INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/changes/bad.json', 'format' = 'debezium-json'
);
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM products;
