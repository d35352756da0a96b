-- Sessions, some of which are joined by a row between them.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, e TIMESTAMP(3), items STRING, numbers ARRAY<INT>, sold MULTISET<STRING>) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, window_end, LISTAGG(item, '+'), ARRAY_AGG(n), COLLECT(item)
FROM TABLE(SESSION(TABLE sales PARTITION BY shop, DESCRIPTOR(ts), INTERVAL '40' SECOND))
GROUP BY shop, window_start, window_end;
