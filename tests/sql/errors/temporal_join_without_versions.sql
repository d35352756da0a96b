CREATE TABLE orders (id INT, currency STRING, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/orders.json', 'format' = 'json'
);
CREATE TABLE rates (currency STRING, rate INT, valid_from TIMESTAMP(3), WATERMARK FOR valid_from AS valid_from) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/rates.json', 'format' = 'json'
);
CREATE TABLE result (id INT, rate INT) WITH ('connector' = 'print');
INSERT INTO result SELECT o.id, r.rate FROM orders AS o
JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency;
