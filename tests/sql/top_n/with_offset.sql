CREATE TABLE bids (id INT, auction INT, price BIGINT, bidder STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (auction INT, price BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT auction, price
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC NULLS LAST) AS n FROM bids)
WHERE n > 1 AND n <= 3;
