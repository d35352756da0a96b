-- A function that traps.
CREATE FUNCTION longest AS 'tests/sql/wasm_aggregate/texts.wat' LANGUAGE WASM;
CREATE FUNCTION aged AS 'tests/sql/wasm_aggregate/texts.wat' LANGUAGE WASM;
CREATE FUNCTION broken AS 'tests/sql/wasm_aggregate/texts.wat' LANGUAGE WASM;
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (x INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT broken(n) FROM sales;
