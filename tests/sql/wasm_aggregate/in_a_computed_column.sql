-- An aggregate has no place in a column.
CREATE FUNCTION weighted AS 'examples/wasm-aggregate/weighted_mean.wat' LANGUAGE WASM;
CREATE TABLE t (a DOUBLE, m AS weighted(a, a)) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (x DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT m FROM t;
