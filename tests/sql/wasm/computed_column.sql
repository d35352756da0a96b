-- A function in a computed column, its settings behind it.
CREATE FUNCTION discounted AS 'tests/sql/wasm/numbers.wat' LANGUAGE WASM;
CREATE TABLE sold (price DOUBLE, `count` INT, paid AS discounted(price, `count`))
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/items.json', 'format' = 'json');
SET 'table.exec.wasm.fuel-per-row' = '1000';
SET 'table.exec.wasm.memory' = '1 mb';
CREATE TABLE items (name STRING, price DOUBLE, `count` INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/items.json', 'format' = 'json');
CREATE TABLE result (paid DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT paid
FROM sold;
