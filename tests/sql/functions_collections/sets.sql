-- Arrays as sets: the first of equal elements stays.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a ARRAY<INT>, b ARRAY<INT>, c ARRAY<INT>, d ARRAY<STRING>) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, ARRAY_UNION(ARRAY[4, n, 4], ARRAY[2, n]), ARRAY_INTERSECT(ARRAY[1, n, n], ARRAY[n, 2]), ARRAY_EXCEPT(ARRAY[1, n, 2, 1], ARRAY[n]), ARRAY_REMOVE(ARRAY['a', item, shop], 'a') FROM sales WHERE ts < TIMESTAMP '2024-01-01 10:00:31';
