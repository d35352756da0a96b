-- Conditions beside the key: an outer join keeps bids that no item meets them with.
CREATE TABLE bids (id INT, auction BIGINT, region STRING, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/bids.json', 'format' = 'json'
);
CREATE TABLE items (auction BIGINT, region STRING, name STRING, price INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/items.csv', 'format' = 'csv'
);
CREATE TABLE inner_result (id INT, name STRING) WITH ('connector' = 'print');
CREATE TABLE left_result (id INT, name STRING) WITH ('connector' = 'print');
EXECUTE STATEMENT SET BEGIN
INSERT INTO inner_result
SELECT b.id, i.name FROM bids AS b JOIN items FOR SYSTEM_TIME AS OF b.pt AS i ON b.auction = i.auction
WHERE i.price > 100 * b.id AND b.id < 6;
INSERT INTO left_result
SELECT b.id, i.name FROM bids AS b LEFT JOIN items FOR SYSTEM_TIME AS OF b.pt AS i
    ON b.auction = i.auction AND (i.region <> b.region OR b.region IS NULL) AND i.name <> 'vase'
WHERE b.id <> 4;
END;
