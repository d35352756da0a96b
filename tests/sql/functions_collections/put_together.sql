-- Arrays made of arrays and values; a NULL element is one.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a ARRAY<INT>, b ARRAY<INT>, c ARRAY<INT>, d ARRAY<INT>) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, ARRAY_APPEND(ARRAY[1, n], 7), ARRAY_PREPEND(ARRAY[1, 2], n), ARRAY_CONCAT(ARRAY[1], ARRAY[n], ARRAY[1, 3]), ARRAY_CONCAT(ARRAY[1], CASE WHEN n > 2 THEN ARRAY[n] END) FROM sales WHERE ts < TIMESTAMP '2024-01-01 10:00:31';
