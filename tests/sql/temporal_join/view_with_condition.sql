-- What a versioned view asks of its rows behind the ROW_NUMBER hides a version, and before it lets the older one be valid.
CREATE TABLE orders (id INT, currency STRING, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/orders.json', 'format' = 'json'
);
CREATE TABLE rate_stream (
    currency STRING, rate INT, source STRING, valid_from TIMESTAMP(3), WATERMARK FOR valid_from AS valid_from - INTERVAL '1' HOUR
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/rates.json', 'format' = 'json');
CREATE VIEW hidden AS
SELECT * FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY currency ORDER BY valid_from DESC) AS n FROM rate_stream
) WHERE n = 1 AND source = 'a';
CREATE VIEW older AS
SELECT * FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY currency ORDER BY valid_from DESC) AS n FROM rate_stream WHERE source = 'a'
) WHERE n = 1;
CREATE TABLE result (id INT, hidden INT, older INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT o.id, h.rate, l.rate
FROM orders AS o
LEFT JOIN hidden FOR SYSTEM_TIME AS OF o.ts AS h ON o.currency = h.currency
LEFT JOIN older FOR SYSTEM_TIME AS OF o.ts AS l ON o.currency = l.currency;
