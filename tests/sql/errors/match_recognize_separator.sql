CREATE TABLE ticker (symbol STRING, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/errors/orders.json', 'format' = 'json');
CREATE TABLE result (n INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT n FROM ticker MATCH_RECOGNIZE (
    ORDER BY ts
    MEASURES LISTAGG(a.symbol, ';') AS n
    PATTERN (a b)
    DEFINE b AS b.price > 1
);
