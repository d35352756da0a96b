-- A scalar function is none of many rows.
CREATE FUNCTION distance AS 'examples/wasm-function/distance.wat' LANGUAGE WASM;
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (x DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT distance(rate, rate, 0, 0) FILTER (WHERE ok) FROM sales;
