-- The first and the last value that is not null.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, first_item STRING, last_item STRING, first_n INT, last_price DECIMAL(10, 2), last_day DATE) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, FIRST_VALUE(item), LAST_VALUE(item), FIRST_VALUE(n), LAST_VALUE(price), LAST_VALUE(`day`)
FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY shop, window_start, window_end;
