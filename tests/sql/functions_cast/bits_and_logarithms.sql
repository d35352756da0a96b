-- Bits and logarithms.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a INT, b BIGINT, c INT, d INT, e DOUBLE, g DOUBLE, h DOUBLE, i INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, BITWISE_AND(n, 6), BITWISE_OR(n, CAST(1 AS BIGINT)), BITWISE_XOR(n, 2), BITWISE_NOT(n), ROUND(E(), 6), LOG(1), LOG(2, n), POSITION('n' IN item) FROM sales WHERE ts < TIMESTAMP '2024-01-01 10:00:31';
