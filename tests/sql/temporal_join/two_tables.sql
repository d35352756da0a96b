-- The result of a temporal join is joined with versions again; keys of two columns.
CREATE TABLE orders (id INT, currency STRING, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/orders.json', 'format' = 'json'
);
CREATE TABLE rates (
    currency STRING, rate INT, source STRING, valid_from TIMESTAMP(3),
    WATERMARK FOR valid_from AS valid_from - INTERVAL '1' HOUR,
    PRIMARY KEY (currency) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/rates.json', 'format' = 'json');
CREATE TABLE fees (
    currency STRING, source STRING, fee INT, since TIMESTAMP(3),
    WATERMARK FOR since AS since - INTERVAL '1' HOUR,
    PRIMARY KEY (source, currency) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/fees.json', 'format' = 'json');
CREATE TABLE result (id INT, rate INT, fee INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT o.id, r.rate, f.fee
FROM orders AS o
JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency
LEFT JOIN fees FOR SYSTEM_TIME AS OF o.ts AS f ON f.currency = o.currency AND f.source = r.source;
