-- In conditions, in GROUP BY, nested, and of constants.
CREATE FUNCTION is_even AS 'tests/sql/wasm/numbers.wat' LANGUAGE WASM;
CREATE FUNCTION initial AS 'tests/sql/wasm/initial.wat' LANGUAGE WASM;
CREATE FUNCTION discounted AS 'tests/sql/wasm/numbers.wat' LANGUAGE WASM;
CREATE TABLE items (name STRING, price DOUBLE, `count` INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/items.json', 'format' = 'json');
CREATE TABLE result (initial STRING, items BIGINT, total DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT initial(COALESCE(name, 'none')), COUNT(*), SUM(discounted(discounted(price, 10), 20))
FROM TABLE(TUMBLE(TABLE items, DESCRIPTOR(ts), INTERVAL '1' HOUR))
WHERE is_even(COALESCE(`count`, 2)) AND discounted(1, 10) < 1
GROUP BY window_start, window_end, initial(COALESCE(name, 'none'));
