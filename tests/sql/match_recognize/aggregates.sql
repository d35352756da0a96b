CREATE TABLE ticker (symbol STRING, id INT, price INT, tax INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/ticker.json', 'format' = 'json'
);
CREATE TABLE result (symbol STRING, cnt BIGINT, a_cnt BIGINT, total INT, mean INT, mean_double DOUBLE, low INT, high INT, taxed BIGINT, all_total INT, spread INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT *
FROM ticker
    MATCH_RECOGNIZE (
        PARTITION BY symbol
        ORDER BY ts
        MEASURES
            COUNT(*) AS cnt,
            COUNT(up.id) AS a_cnt,
            SUM(up.price) AS total,
            AVG(up.price) AS mean,
            AVG(CAST(up.price AS DOUBLE)) AS mean_double,
            MIN(up.price) AS low,
            MAX(up.price) AS high,
            SUM(CAST(up.price AS BIGINT) * up.tax) AS taxed,
            SUM(price) AS all_total,
            MAX(price) - MIN(price) AS spread
        AFTER MATCH SKIP PAST LAST ROW
        PATTERN (first_row up{2,} down)
        DEFINE
            up AS up.price > LAST(price, 1),
            down AS down.price < LAST(up.price)
    );
