CREATE TABLE bids (id INT, auction INT, price BIGINT, bidder STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (id INT, price BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, price FROM bids WHERE price IS NOT NULL ORDER BY price FETCH FIRST 2 ROWS ONLY;
