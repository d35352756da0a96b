CREATE TABLE bids (id INT, auction INT, price BIGINT, bidder STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (bidder STRING, price BIGINT, id INT, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT bidder, price, id, n
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder ORDER BY auction DESC, price NULLS LAST) AS n FROM bids) AS t
WHERE n <= 2 AND id <> 7;
