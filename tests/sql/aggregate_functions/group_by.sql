-- Without a window, for all rows and in two phases.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (items BIGINT, first_item STRING, numbers MULTISET<INT>, d DOUBLE, s DECIMAL(38, 2), m DECIMAL(38, 6)) WITH ('connector' = 'print');
INSERT INTO result
SELECT COUNT(item), MIN(item), COLLECT(n), ROUND(STDDEV_SAMP(rate), 6), SUM(price), AVG(price) FROM sales;
