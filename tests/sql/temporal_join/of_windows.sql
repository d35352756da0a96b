-- Results of windows are joined as of their window_time, and stay results of windows.
CREATE TABLE orders (id INT, currency STRING, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/orders.json', 'format' = 'json'
);
CREATE TABLE rates (
    currency STRING, rate INT, source STRING, valid_from TIMESTAMP(3),
    WATERMARK FOR valid_from AS valid_from - INTERVAL '1' HOUR,
    PRIMARY KEY (currency) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/rates.json', 'format' = 'json');
CREATE TABLE result (window_start TIMESTAMP(3), currency STRING, n BIGINT, rate INT) WITH ('connector' = 'print');
CREATE VIEW per_window AS
SELECT window_start, window_end, window_time AS ended, currency, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '5' MINUTES))
GROUP BY window_start, window_end, window_time, currency;
INSERT INTO result
SELECT w.window_start, w.currency, SUM(w.n), MAX(r.rate)
FROM per_window AS w JOIN rates FOR SYSTEM_TIME AS OF w.ended AS r ON w.currency = r.currency
GROUP BY w.window_start, w.window_end, w.currency;
