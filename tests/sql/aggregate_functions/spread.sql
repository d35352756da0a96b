-- Variances and deviations have the type of an average: of one value that of a sample is null, integers are cut off.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a DOUBLE, b DOUBLE, c DOUBLE, d DOUBLE, e INT, f INT, g DECIMAL(38, 6)) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, ROUND(VAR_POP(rate), 6), ROUND(VAR_SAMP(rate), 6), ROUND(STDDEV_POP(rate), 6), ROUND(STDDEV_SAMP(rate), 6), VARIANCE(n), STDDEV_POP(n), VAR_POP(price)
FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY shop, window_start, window_end;
