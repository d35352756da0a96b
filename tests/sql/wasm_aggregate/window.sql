-- By windows, in two phases; rows with a null do not count, and of none the result is null.
CREATE FUNCTION weighted AS 'examples/wasm-aggregate/weighted_mean.wat' LANGUAGE WASM;
CREATE FUNCTION longest AS 'tests/sql/wasm_aggregate/texts.wat' LANGUAGE WASM;
CREATE FUNCTION aged AS 'tests/sql/wasm_aggregate/texts.wat' LANGUAGE WASM;
CREATE FUNCTION broken AS 'tests/sql/wasm_aggregate/texts.wat' LANGUAGE WASM;
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, e TIMESTAMP(3), mean DOUBLE, longest INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, window_end, WEIGHTED(rate, n), longest(item)
FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY shop, window_start, window_end;
