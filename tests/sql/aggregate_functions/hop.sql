-- Panes of hopping windows are put together in the order of time.
-- parallelism: 1
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (e TIMESTAMP(3), first_item STRING, items STRING, numbers ARRAY<INT>, d DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_end, FIRST_VALUE(item), LISTAGG(item), ARRAY_AGG(n), ROUND(STDDEV_POP(rate), 6)
FROM TABLE(HOP(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))
WHERE shop = 'a'
GROUP BY window_start, window_end;
