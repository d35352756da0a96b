-- Each change of a group's first and last value.
-- changes: in order
SET 'pipeline.batch-rows' = '1';
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, first_item STRING, last_n INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, FIRST_VALUE(item), LAST_VALUE(n) FROM sales GROUP BY shop;
