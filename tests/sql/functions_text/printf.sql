-- Texts by a format of Java's.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a STRING, b STRING, c STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, PRINTF('%s has %d, %05.1f, %b', item, n, rate, ok), PRINTF('%-4s|%4s|%x', shop, shop, 255), PRINTF('%d', item) FROM sales WHERE ts < TIMESTAMP '2024-01-01 10:00:31';
