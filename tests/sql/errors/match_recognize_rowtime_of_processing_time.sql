CREATE TABLE ticker (symbol STRING, price INT, pt AS PROCTIME())
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/errors/orders.json', 'format' = 'json');
CREATE TABLE result (t TIMESTAMP_LTZ(3)) WITH ('connector' = 'print');
INSERT INTO result
SELECT t FROM ticker MATCH_RECOGNIZE (
    ORDER BY pt
    MEASURES MATCH_ROWTIME() AS t
    PATTERN (a b)
    DEFINE b AS b.symbol = 'x'
);
