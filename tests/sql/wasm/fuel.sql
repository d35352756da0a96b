-- A function that does not end.
CREATE FUNCTION forever AS 'tests/sql/wasm/numbers.wat' LANGUAGE WASM;
SET 'table.exec.wasm.fuel-per-row' = '5000';
CREATE TABLE items (name STRING, price DOUBLE, `count` INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/items.json', 'format' = 'json');
CREATE TABLE result (x INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT forever(`count`)
FROM items;
