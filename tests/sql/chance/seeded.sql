-- Numbers from a seed are Java's, one sequence per call; a seed per row begins anew.
CREATE TABLE bids (id INT, auction INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (id INT, r DOUBLE, n INT, m INT, per_row INT, again INT, nothing INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, RAND(42), RAND_INTEGER(42, 10), RAND_INTEGER(42, 10) * 10, RAND_INTEGER(auction, 100), RAND_INTEGER(auction, 100),
    RAND_INTEGER(CAST(NULL AS INT), 5)
FROM bids;
