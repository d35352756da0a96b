-- What the connector says of a row beside its columns is looked up like those.
CREATE TABLE bids (id INT, auction BIGINT, pt AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/bids.json', 'format' = 'json'
);
CREATE TABLE items (auction BIGINT, region STRING, name STRING, price INT, file STRING METADATA FROM 'file.name') WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/items.csv', 'format' = 'csv'
);
CREATE TABLE result (id INT, file STRING, name STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT b.id, i.file, i.name FROM bids AS b
JOIN items FOR SYSTEM_TIME AS OF b.pt AS i ON b.auction = i.auction AND i.file = 'items.csv';
