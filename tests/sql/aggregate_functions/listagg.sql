-- Nulls are left out; of no texts the result is null. A comma is between them unless something else is given.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, plain STRING, dashed STRING, once STRING, some STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, LISTAGG(item), LISTAGG(item, ' - '), LISTAGG(DISTINCT item), LISTAGG(item, '') FILTER (WHERE n > 1)
FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY shop, window_start, window_end;
