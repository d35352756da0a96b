CREATE TABLE bids (id INT, auction BIGINT, region STRING, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/bids.json', 'format' = 'json'
);
CREATE TABLE items (auction BIGINT, region STRING, name STRING, price INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/items.csv', 'format' = 'csv'
);
CREATE VIEW totals AS SELECT auction, SUM(price) AS total FROM items GROUP BY auction;
CREATE TABLE result (id INT, total INT) WITH ('connector' = 'print');
INSERT INTO result SELECT b.id, t.total FROM bids AS b
JOIN totals FOR SYSTEM_TIME AS OF b.pt AS t ON b.auction = t.auction;
