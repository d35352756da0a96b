-- Rows that only come are only appended.
CREATE TABLE bids (id INT, auction INT, price BIGINT, bidder STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (id INT, price BIGINT) WITH ('connector' = 'filesystem', 'path' = '{out}/result', 'format' = 'json');
INSERT INTO result
SELECT 1, price FROM bids WHERE id = 4 LIMIT 5;
