CREATE TABLE ticker (symbol STRING, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/errors/orders.json', 'format' = 'json');
CREATE VIEW totals AS SELECT symbol, MAX(ts) AS ts FROM ticker GROUP BY symbol;
CREATE TABLE result (n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT n FROM totals MATCH_RECOGNIZE (
    ORDER BY ts
    MEASURES COUNT(*) AS n
    PATTERN (a b)
    DEFINE b AS b.symbol = 'x'
);
