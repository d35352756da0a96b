-- What is asked beside the key is asked of the version that is valid, and never lets an older one take its place.
CREATE TABLE orders (id INT, currency STRING, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/orders.json', 'format' = 'json'
);
CREATE TABLE rates (
    currency STRING, rate INT, source STRING, valid_from TIMESTAMP(3),
    WATERMARK FOR valid_from AS valid_from - INTERVAL '1' HOUR,
    PRIMARY KEY (currency) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/rates.json', 'format' = 'json');
CREATE TABLE inner_result (id INT, rate INT) WITH ('connector' = 'print');
CREATE TABLE left_result (id INT, rate INT) WITH ('connector' = 'print');
EXECUTE STATEMENT SET BEGIN
INSERT INTO inner_result
SELECT o.id, r.rate
FROM orders AS o
JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency AND r.source = 'a'
WHERE r.rate + o.id > 101 AND o.amount > 10;
INSERT INTO left_result
SELECT o.id, r.rate
FROM orders AS o
LEFT JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency AND r.source = 'a' AND o.amount < 60;
END;
