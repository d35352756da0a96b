-- Hints say how a table is asked: one question at a time, again for what is missing, with rows spread by their keys.
CREATE TABLE bids (id INT, auction BIGINT, region STRING, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/bids.json', 'format' = 'json'
);
CREATE TABLE items (auction BIGINT, region STRING, name STRING, price INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/items.csv', 'format' = 'csv'
);
CREATE TABLE result (id INT, name STRING, region STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT /*+ LOOKUP('table' = 'i', 'async' = 'false', 'timeout' = '1 min', 'retry-predicate' = 'lookup_miss', 'retry-strategy' = 'fixed_delay',
                  'fixed-delay' = '2 ms', 'max-attempts' = '2'),
           LOOKUP('table' = 'j', 'async' = 'true', 'output-mode' = 'allow_unordered', 'capacity' = '3', 'shuffle' = 'true') */
       b.id, i.name, j.region
FROM bids AS b
LEFT JOIN items /*+ OPTIONS('lookup.cache' = 'PARTIAL', 'lookup.partial-cache.max-rows' = '10') */ FOR SYSTEM_TIME AS OF b.pt AS i
    ON b.auction = i.auction
LEFT JOIN items FOR SYSTEM_TIME AS OF b.pt AS j ON i.name = j.name;
