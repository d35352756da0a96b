-- Two queries never share what is drawn, although they look alike.
CREATE TABLE bids (id INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE VIEW drawn AS SELECT UUID() AS u FROM bids;
CREATE TABLE result (different BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT COUNT(DISTINCT u) FROM (SELECT u FROM drawn UNION ALL SELECT u FROM drawn);
