-- One argument is missing.
CREATE FUNCTION discounted AS 'tests/sql/wasm/numbers.wat' LANGUAGE WASM;
CREATE TABLE items (name STRING, price DOUBLE, `count` INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/items.json', 'format' = 'json');
CREATE TABLE result (x DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT discounted(price)
FROM items;
