-- What the function does of itself is the failure of the row.
CREATE FUNCTION hundredth_of AS 'tests/sql/wasm/numbers.wat' LANGUAGE WASM;
CREATE TABLE numbers (`count` INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/zero.json', 'format' = 'json');
CREATE TABLE items (name STRING, price DOUBLE, `count` INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/items.json', 'format' = 'json');
CREATE TABLE result (x INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT hundredth_of(`count`)
FROM numbers;
