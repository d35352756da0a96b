-- The clock in WHERE, CASE, a join's condition, GROUP BY and an aggregate's argument.
CREATE TABLE bids (id INT, auction INT, ts TIMESTAMP(3)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (auction INT, old BOOLEAN, bids BIGINT, last_old TIMESTAMP(3), future BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT a.auction, a.ts < NOW(), COUNT(*), MAX(CASE WHEN a.ts < LOCALTIMESTAMP THEN a.ts END), COUNT(CASE WHEN b.ts > NOW() THEN 1 END)
FROM bids a JOIN bids b ON a.auction = b.auction AND (a.ts < NOW() OR b.id > 100)
WHERE a.ts < NOW() - INTERVAL '1' DAY AND CURRENT_DATE >= CAST(b.ts AS DATE)
GROUP BY a.auction, a.ts < NOW();
