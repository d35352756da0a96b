-- Rows come out in the order of the input, whatever is on its way at once.
-- parallelism: 1
-- changes: in order
SET 'pipeline.batch-rows' = '1';
SET 'table.exec.async-lookup.buffer-capacity' = '2';
SET 'table.exec.async-lookup.timeout' = '1 min';
SET 'table.exec.async-lookup.output-mode' = 'ORDERED';
CREATE TABLE bids (id INT, auction BIGINT, region STRING, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/bids.json', 'format' = 'json'
);
CREATE TABLE items (auction BIGINT, region STRING, name STRING, price INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/items.csv', 'format' = 'csv', 'lookup.cache' = 'NONE'
);
CREATE TABLE result (id INT, name STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT b.id, i.name FROM bids AS b LEFT JOIN items FOR SYSTEM_TIME AS OF b.pt AS i ON b.auction = i.auction;
