-- A view that filters and computes is looked up in as its table is; computed columns of the table too.
CREATE TABLE bids (id INT, auction BIGINT, region STRING, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/bids.json', 'format' = 'json'
);
CREATE TABLE items (auction BIGINT, region STRING, name STRING, price INT, gross AS price * 2, pt AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lookup_join/items.csv', 'format' = 'csv'
);
CREATE VIEW dear AS SELECT auction AS a, UPPER(name) AS title, gross FROM items WHERE price >= 200;
CREATE TABLE result (id INT, title STRING, gross INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT b.id, d.title, d.gross FROM bids AS b LEFT JOIN dear FOR SYSTEM_TIME AS OF b.pt AS d ON d.a = b.auction;
