-- JSON made of values; JSON inside is no text.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a STRING, b STRING, c STRING, d STRING, e STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, JSON_OBJECT(), JSON_OBJECT('i' VALUE item, KEY 'n' VALUE n), JSON_OBJECT('i' VALUE item ABSENT ON NULL), JSON_OBJECT('o' VALUE JSON_OBJECT('p' VALUE price), 'a' VALUE JSON_ARRAY(n, ok)), JSON_OBJECT('r' VALUE JSON('{ "x": [1] }'), 'ts' VALUE ts) FROM sales WHERE ts < TIMESTAMP '2024-01-01 10:00:31';
