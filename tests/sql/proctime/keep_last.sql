-- The last row of each key that came; a batch is folded.
-- changes: in order
CREATE TABLE bids (id INT, auction INT, bidder STRING, p AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
SET 'pipeline.batch-rows' = '1';
SET 'execution.exchange.linger' = '0';
CREATE TABLE result (auction INT, id INT, bidder STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT auction, id, bidder
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY p DESC) AS n FROM bids)
WHERE n = 1;
