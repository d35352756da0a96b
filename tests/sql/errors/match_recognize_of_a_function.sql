CREATE TABLE ticker (symbol STRING, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/errors/orders.json', 'format' = 'json');
CREATE TABLE result (n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT n FROM TABLE(TUMBLE(TABLE ticker, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) MATCH_RECOGNIZE (
    ORDER BY ts
    MEASURES COUNT(*) AS n
    PATTERN (a b)
    DEFINE b AS b.symbol = 'x'
);
