CREATE TABLE ticker (symbol STRING, price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/errors/orders.json', 'format' = 'json');
CREATE TABLE result (symbol STRING, lowest INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT symbol, lowest
FROM ticker
    MATCH_RECOGNIZE (
        PARTITION BY symbol
        ORDER BY ts
        MEASURES LAST(down.price) AS lowest
        PATTERN (start down+ up) WITHIN INTERVAL '1' HOUR
        DEFINE
            down AS down.price < LAST(down.price, 1),
            up AS up.price > LAST(down.price, 1)
    );
