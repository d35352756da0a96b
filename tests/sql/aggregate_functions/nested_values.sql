-- Values that nest are kept like others.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, first_row ROW<a STRING, b INT>, arrays ARRAY<ARRAY<INT>>) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, FIRST_VALUE(ROW(item, n)), ARRAY_AGG(ARRAY[n, 1])
FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY shop, window_start, window_end;
