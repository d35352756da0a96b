-- Without a window: in two phases, and in one for what cannot be put together.
CREATE FUNCTION weighted AS 'examples/wasm-aggregate/weighted_mean.wat' LANGUAGE WASM;
CREATE FUNCTION longest AS 'tests/sql/wasm_aggregate/texts.wat' LANGUAGE WASM;
CREATE FUNCTION aged AS 'tests/sql/wasm_aggregate/texts.wat' LANGUAGE WASM;
CREATE FUNCTION broken AS 'tests/sql/wasm_aggregate/texts.wat' LANGUAGE WASM;
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, mean DOUBLE, some DOUBLE, once BIGINT, aged BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, weighted(rate, n), weighted(rate, n) FILTER (WHERE ok), aged(DISTINCT item), aged(COALESCE(item, 'a'))
FROM sales GROUP BY shop;
