-- Keys of two columns, a constant and a computed one among them.
CREATE TABLE bids (id INT, auction BIGINT, region STRING, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/bids.json', 'format' = 'json'
);
CREATE TABLE items (auction BIGINT, region STRING, name STRING, price INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/items.csv', 'format' = 'csv'
);
CREATE TABLE by_columns (id INT, name STRING) WITH ('connector' = 'print');
CREATE TABLE by_constant (id INT, name STRING) WITH ('connector' = 'print');
CREATE TABLE by_computed (id INT, auction BIGINT, name STRING) WITH ('connector' = 'print');
EXECUTE STATEMENT SET BEGIN
INSERT INTO by_columns
SELECT b.id, i.name FROM bids AS b JOIN items FOR SYSTEM_TIME AS OF b.pt AS i ON b.auction = i.auction AND i.region = b.region;
INSERT INTO by_constant
SELECT b.id, i.name FROM bids AS b LEFT JOIN items FOR SYSTEM_TIME AS OF b.pt AS i ON b.auction = i.auction AND i.region = 'US';
INSERT INTO by_computed
SELECT b.id, i.auction, i.name FROM bids AS b JOIN items FOR SYSTEM_TIME AS OF b.pt AS i ON b.auction + 1 = i.auction;
END;
