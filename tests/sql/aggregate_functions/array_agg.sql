-- Nulls are kept unless IGNORE NULLS says otherwise; rows that FILTER leaves out are not there.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, items ARRAY<STRING>, numbers ARRAY<INT>, kinds ARRAY<STRING>, some ARRAY<DECIMAL(10, 2)>) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, ARRAY_AGG(item), ARRAY_AGG(n IGNORE NULLS), ARRAY_AGG(DISTINCT item), ARRAY_AGG(price) FILTER (WHERE ok)
FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY shop, window_start, window_end;
