-- The last row of each key, as a view, has as versions all rows that it is made of.
CREATE TABLE orders (id INT, currency STRING, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/orders.json', 'format' = 'json'
);
CREATE TABLE rate_stream (
    currency STRING, rate INT, source STRING, valid_from TIMESTAMP(3), WATERMARK FOR valid_from AS valid_from - INTERVAL '1' HOUR
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/rates.json', 'format' = 'json');
CREATE VIEW rates AS
SELECT currency, rate * 10 AS rate10, valid_from FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY currency ORDER BY valid_from DESC) AS n FROM rate_stream WHERE rate IS NOT NULL
) WHERE n = 1;
CREATE TABLE result (id INT, rate10 INT, valid_from TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO result
SELECT o.id, r.rate10, r.valid_from
FROM orders AS o
JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency;
