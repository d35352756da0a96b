-- TUMBLE_PROCTIME is the time at which the result passes.
CREATE TABLE bids (id INT, auction INT, p AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (auction INT, n BIGINT, known BOOLEAN) WITH ('connector' = 'print');
INSERT INTO result
SELECT auction, COUNT(*), TUMBLE_PROCTIME(p, INTERVAL '36525' DAY) > TIMESTAMP '2024-03-01 10:00:00'
FROM bids GROUP BY auction, TUMBLE(p, INTERVAL '36525' DAY);
