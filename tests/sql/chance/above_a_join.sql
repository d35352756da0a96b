-- Conditions on chance and the clock are asked of pairs, where they stand, and not of the rows that pairs are made of: half of 64 pairs
-- are not whole rows of eight.
CREATE TABLE bids (id INT, auction INT, ts TIMESTAMP(3)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (some_pairs BOOLEAN, whole_rows BOOLEAN) WITH ('connector' = 'print');
INSERT INTO result
SELECT SUM(n) BETWEEN 8 AND 56, MIN(n) = 8 AND MAX(n) = 8
FROM (
    SELECT a.id, COUNT(*) AS n FROM bids a CROSS JOIN bids b
    WHERE RAND_INTEGER(5, 2) = 0 AND b.ts < NOW() AND a.id > 0
    GROUP BY a.id
);
