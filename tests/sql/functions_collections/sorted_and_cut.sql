-- The order of elements, the least and the greatest, and parts by place.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a ARRAY<INT>, b ARRAY<INT>, c INT, d INT, e ARRAY<STRING>, g ARRAY<STRING>) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, ARRAY_SORT(ARRAY[3, n, 1]), ARRAY_SORT(ARRAY[3, n, 1], FALSE), ARRAY_MAX(ARRAY[3, n]), ARRAY_MIN(ARRAY[3, n]), ARRAY_SLICE(ARRAY['p', item, 'q'], 2), ARRAY_SLICE(ARRAY['p', item, 'q'], -2, -2) FROM sales WHERE ts < TIMESTAMP '2024-01-01 10:00:31';
