CREATE TABLE bids (id INT, auction BIGINT, region STRING, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/bids.json', 'format' = 'json'
);
CREATE TABLE items (auction BIGINT, region STRING, name STRING, price INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/items.csv', 'format' = 'csv'
);
CREATE TABLE result (id INT, name STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT /*+ LOOKUP('capacity' = '3') */ b.id, i.name
FROM bids AS b JOIN items FOR SYSTEM_TIME AS OF b.pt AS i ON b.auction = i.auction;
