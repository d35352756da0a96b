CREATE TABLE orders (id INT, currency STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/orders.json', 'format' = 'json'
);
CREATE TABLE rate_stream (currency STRING, rate INT, pt AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/rates.json', 'format' = 'json'
);
CREATE VIEW rates AS
SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY currency ORDER BY pt DESC) AS n FROM rate_stream) WHERE n = 1;
CREATE TABLE result (id INT, rate INT) WITH ('connector' = 'print');
INSERT INTO result SELECT o.id, r.rate FROM orders AS o
JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency;
