-- The type of a value.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a STRING, b STRING, c STRING, d STRING, e STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, TYPEOF(n), TYPEOF(price * 2), TYPEOF(ARRAY[n]), TYPEOF(MAP['a', ts]), TYPEOF(1) FROM sales WHERE ts < TIMESTAMP '2024-01-01 10:00:31';
