-- Values as JSON; JSON_ARRAYAGG leaves nulls out and JSON_OBJECTAGG keeps them, unless they are told otherwise.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a STRING, b STRING, c STRING, d STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, JSON_ARRAYAGG(item), JSON_ARRAYAGG(n NULL ON NULL),
       JSON_OBJECTAGG(KEY CAST(ts AS STRING) VALUE n), JSON_OBJECTAGG(KEY CAST(ts AS STRING) VALUE JSON_OBJECT('i' VALUE item, 'p' VALUE price) ABSENT ON NULL) FILTER (WHERE n > 2)
FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY shop, window_start, window_end;
