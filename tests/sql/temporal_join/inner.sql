-- Each order with the rate of its currency that was valid at its time: the last one that is not later.
CREATE TABLE orders (id INT, currency STRING, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/orders.json', 'format' = 'json'
);
CREATE TABLE rates (
    currency STRING, rate INT, source STRING, valid_from TIMESTAMP(3),
    WATERMARK FOR valid_from AS valid_from - INTERVAL '1' HOUR,
    PRIMARY KEY (currency) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/rates.json', 'format' = 'json');
CREATE TABLE result (id INT, currency STRING, amount INT, rate INT, valid_from TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO result
SELECT o.id, o.currency, o.amount, r.rate, r.valid_from
FROM orders AS o
JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency;
