-- Functions of one row's values: a null argument gives null.
CREATE FUNCTION discounted AS 'tests/sql/wasm/numbers.wat' LANGUAGE WASM;
CREATE FUNCTION next_hour AS 'tests/sql/wasm/numbers.wat' LANGUAGE WASM;
CREATE TABLE items (name STRING, price DOUBLE, `count` INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/items.json', 'format' = 'json');
CREATE TABLE result (name STRING, price DOUBLE, later TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO result
SELECT name, discounted(price, `count`), NEXT_HOUR(ts)
FROM items;
