-- A function that wants too much memory.
CREATE FUNCTION grow AS 'tests/sql/wasm/greedy.wat' LANGUAGE WASM;
SET 'table.exec.wasm.memory' = '4 mb';
CREATE TABLE items (name STRING, price DOUBLE, `count` INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/items.json', 'format' = 'json');
CREATE TABLE result (x INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT grow(`count`)
FROM items;
