-- Rows in which no column is null, and different ones of them.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a BIGINT, b BIGINT, c BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, COUNT(item, n), COUNT(DISTINCT item, ok), COUNT(DISTINCT item, ok) FILTER (WHERE n > 2)
FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY shop, window_start, window_end;
