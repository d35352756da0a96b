-- By sessions.
CREATE FUNCTION weighted AS 'examples/wasm-aggregate/weighted_mean.wat' LANGUAGE WASM;
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, e TIMESTAMP(3), mean DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, window_end, weighted(rate, n)
FROM TABLE(SESSION(TABLE sales PARTITION BY shop, DESCRIPTOR(ts), INTERVAL '40' SECOND))
GROUP BY shop, window_start, window_end;
