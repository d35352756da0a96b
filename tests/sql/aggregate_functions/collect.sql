-- How often each value is there; nulls are left out.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, items MULTISET<STRING>, once MAP<STRING, INT>, numbers MULTISET<INT>) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, COLLECT(item), COLLECT(DISTINCT item), COLLECT(n)
FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY shop, window_start, window_end;
