-- MIN and MAX of every type with an order.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a BOOLEAN, b BOOLEAN, c DATE, d DATE, e DECIMAL(10, 2), f TIMESTAMP(3), g TIME, h TIMESTAMP_LTZ(3)) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, MIN(ok), MAX(ok), MIN(`day`), MAX(`day`), MAX(price), MAX(ts), MIN(CAST(ts AS TIME)), MAX(CAST(ts AS TIMESTAMP_LTZ(3)))
FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY shop, window_start, window_end;
