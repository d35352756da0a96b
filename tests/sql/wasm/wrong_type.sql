-- The function is not of its signature.
CREATE FUNCTION f AS 'tests/sql/wasm/wrong_type.wat' LANGUAGE WASM;
CREATE TABLE items (name STRING, price DOUBLE, `count` INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/items.json', 'format' = 'json');
CREATE TABLE result (x BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT f(`count`)
FROM items;
