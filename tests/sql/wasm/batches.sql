-- A function of batches sees and gives nulls.
CREATE TEMPORARY FUNCTION IF NOT EXISTS initial AS 'tests/sql/wasm/initial.wat' LANGUAGE WASM;
CREATE TABLE items (name STRING, price DOUBLE, `count` INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/items.json', 'format' = 'json');
CREATE TABLE result (name STRING, initial STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT name, INITIAL(name)
FROM items;
