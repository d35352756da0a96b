-- A text is no number.
CREATE FUNCTION is_even AS 'tests/sql/wasm/numbers.wat' LANGUAGE WASM;
CREATE TABLE items (name STRING, price DOUBLE, `count` INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/items.json', 'format' = 'json');
CREATE TABLE result (x BOOLEAN) WITH ('connector' = 'print');
INSERT INTO result
SELECT is_even(name)
FROM items;
