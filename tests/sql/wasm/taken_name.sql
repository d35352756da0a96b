-- A name that Flink has.
CREATE FUNCTION upper AS 'tests/sql/wasm/numbers.wat' LANGUAGE WASM;
CREATE TABLE items (name STRING, price DOUBLE, `count` INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/items.json', 'format' = 'json');
CREATE TABLE result (x INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT upper(`count`)
FROM items;
