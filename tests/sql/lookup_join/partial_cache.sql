-- The answers of some keys are kept, of others not: rows are the same. Two lookup joins follow each other.
SET 'pipeline.batch-rows' = '2';
CREATE TABLE bids (id INT, auction BIGINT, region STRING, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/bids.json', 'format' = 'json'
);
CREATE TABLE items (auction BIGINT, region STRING, name STRING, price INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/items.csv', 'format' = 'csv',
    'lookup.cache' = 'PARTIAL', 'lookup.partial-cache.max-rows' = '2', 'lookup.partial-cache.expire-after-write' = '1 h',
    'lookup.partial-cache.expire-after-access' = '1 min', 'lookup.partial-cache.cache-missing-key' = 'false', 'lookup.max-retries' = '1'
);
CREATE TABLE result (id INT, name STRING, other STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT b.id, i.name, j.region
FROM bids AS b
LEFT JOIN items FOR SYSTEM_TIME AS OF b.pt AS i ON b.auction = i.auction
LEFT JOIN items FOR SYSTEM_TIME AS OF b.pt AS j ON i.name = j.name;
