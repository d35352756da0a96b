-- Of two versions of one time, the one that comes later is valid.
CREATE TABLE orders (id INT, k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/more_orders.json', 'format' = 'json'
);
CREATE TABLE prices (k INT, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '3' HOUR, PRIMARY KEY (k) NOT ENFORCED) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/prices.json', 'format' = 'json'
);
CREATE TABLE result (id INT, price INT) WITH ('connector' = 'print');
INSERT INTO result SELECT o.id, p.price FROM orders AS o JOIN prices FOR SYSTEM_TIME AS OF o.ts AS p ON o.k = p.k;
