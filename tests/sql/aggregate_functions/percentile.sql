-- Exact percentiles, between two values by their distances.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, median DOUBLE, most DOUBLE, quartiles ARRAY<DOUBLE>, some DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, PERCENTILE(n, 0.5), PERCENTILE(price, 1), PERCENTILE(rate, ARRAY[0.25, 0.5, 0.75]), PERCENTILE(n, 0.5) FILTER (WHERE ok)
FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY shop, window_start, window_end;
