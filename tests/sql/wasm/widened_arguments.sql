-- Arguments widen without a CAST: INT to BIGINT and to DOUBLE.
CREATE FUNCTION is_even AS 'tests/sql/wasm/numbers.wat' LANGUAGE WASM;
CREATE FUNCTION discounted AS 'tests/sql/wasm/numbers.wat' LANGUAGE WASM;
CREATE TABLE items (name STRING, price DOUBLE, `count` INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/items.json', 'format' = 'json');
CREATE TABLE result (even BOOLEAN, price DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT is_even(`count`), discounted(`count`, CAST(3 AS TINYINT))
FROM items;
