-- Event time passes a lookup join: windows aggregate what comes out.
CREATE TABLE bids (id INT, auction BIGINT, region STRING, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/bids.json', 'format' = 'json'
);
CREATE TABLE items (auction BIGINT, region STRING, name STRING, price INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/items.csv', 'format' = 'csv'
);
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT, total BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*), SUM(CAST(price AS BIGINT))
FROM TABLE(TUMBLE(TABLE (
    SELECT b.ts, i.price FROM bids AS b JOIN items FOR SYSTEM_TIME AS OF b.pt AS i ON b.auction = i.auction
), DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
