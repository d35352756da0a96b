-- A result that changes is looked up for as it changes.
CREATE TABLE bids (id INT, auction BIGINT, region STRING, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/bids.json', 'format' = 'json'
);
CREATE TABLE items (auction BIGINT, region STRING, name STRING, price INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/items.csv', 'format' = 'csv'
);
CREATE TABLE result (auction BIGINT, n BIGINT, name STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT c.auction, c.n, i.name
FROM (SELECT auction, COUNT(*) AS n, PROCTIME() AS pt FROM bids GROUP BY auction) AS c
JOIN items FOR SYSTEM_TIME AS OF c.pt AS i ON c.auction = i.auction AND i.region = 'EU';
