-- JSON arrays leave nulls out unless told otherwise.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a STRING, b STRING, c STRING, d STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, JSON_ARRAY(item, n), JSON_ARRAY(item, n NULL ON NULL), JSON_ARRAY(JSON_ARRAY(1), rate), JSON_STRING(ARRAY[item, shop]) FROM sales WHERE ts < TIMESTAMP '2024-01-01 10:00:31';
