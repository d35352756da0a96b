-- Rows made of values, and as they are stored.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a ROW<p STRING, q INT, r ROW<s DOUBLE>>, b STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, ROW(item, n, ROW(rate)), JSON_STRING(ROW(item, n)) FROM sales WHERE ts < TIMESTAMP '2024-01-01 10:00:31';
