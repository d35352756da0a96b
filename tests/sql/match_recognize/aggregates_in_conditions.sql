CREATE TABLE ticker (symbol STRING, id INT, price INT, tax INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/ticker.json', 'format' = 'json'
);
CREATE TABLE result (symbol STRING, first_id INT, last_id INT, mean DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT *
FROM ticker
    MATCH_RECOGNIZE (
        PARTITION BY symbol
        ORDER BY ts
        MEASURES FIRST(id) AS first_id, LAST(a.id) AS last_id, AVG(CAST(a.price AS DOUBLE)) AS mean
        AFTER MATCH SKIP PAST LAST ROW
        PATTERN (a+ b)
        DEFINE
            a AS AVG(a.price) < 18 AND COUNT(a.id) <= 3,
            b AS b.price > MIN(a.price) AND MAX(price) < 100 AND SUM(a.price * a.tax) > 0
    );
