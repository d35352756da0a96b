-- A row could not be taken back by a time that is another one then.
CREATE TABLE bids (id INT, auction INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (s BIGINT, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT s, COUNT(*) FROM (SELECT auction, UNIX_TIMESTAMP() AS s FROM (SELECT auction, COUNT(*) AS n FROM bids GROUP BY auction))
GROUP BY s;
