-- Each row and each call gets its own value; one that is read twice is drawn once.
CREATE TABLE bids (id INT, own AS UUID(), drawn AS RAND()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (uuids BIGINT, apart_sums INT, owns BIGINT, numbers BIGINT, in_range BOOLEAN, whole BOOLEAN, same BIGINT, apart BIGINT)
WITH ('connector' = 'print');
INSERT INTO result
SELECT
    COUNT(DISTINCT u), CASE WHEN SUM(RAND()) / 8 <> AVG(RAND()) THEN 1 ELSE 0 END, COUNT(DISTINCT own), COUNT(DISTINCT r), MIN(r) >= 0 AND MAX(r) < 1, MIN(n) >= 0 AND MAX(n) < 3,
    COUNT(CASE WHEN r = r2 AND u = u2 AND own = own2 AND drawn = drawn2 THEN 1 END),
    COUNT(CASE WHEN r <> other AND u <> own AND r <> drawn THEN 1 END)
FROM (
    SELECT u, u AS u2, r, r AS r2, own, own AS own2, drawn, drawn AS drawn2, other, n
    FROM (SELECT UUID() AS u, RAND() AS r, RAND() AS other, RAND_INTEGER(3) AS n, own, drawn FROM bids)
);
