-- The first row of each key that comes: it stays, so that a sink that only appends takes it.
CREATE TABLE bids (id INT, auction INT, bidder STRING, p AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (auction INT, id INT, passed BOOLEAN) WITH ('connector' = 'filesystem', 'path' = '{out}/result', 'format' = 'json');
INSERT INTO result
SELECT auction, id, p <= NOW()
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY p) AS n FROM bids WHERE id > 2)
WHERE n = 1;
