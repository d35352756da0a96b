-- Event time stays: windows aggregate the result.
CREATE TABLE orders (id INT, currency STRING, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/orders.json', 'format' = 'json'
);
CREATE TABLE rates (
    currency STRING, rate INT, source STRING, valid_from TIMESTAMP(3),
    WATERMARK FOR valid_from AS valid_from - INTERVAL '1' HOUR,
    PRIMARY KEY (currency) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/rates.json', 'format' = 'json');
CREATE TABLE result (window_start TIMESTAMP(3), currency STRING, n BIGINT, total BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, currency, COUNT(*), SUM(CAST(amount * rate AS BIGINT))
FROM TABLE(TUMBLE(TABLE (
    SELECT o.currency, o.amount, o.ts, r.rate
    FROM orders AS o JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency
), DESCRIPTOR(ts), INTERVAL '5' MINUTES))
GROUP BY window_start, window_end, currency;
