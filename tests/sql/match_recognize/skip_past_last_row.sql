CREATE TABLE ticker (symbol STRING, id INT, price INT, tax INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/ticker.json', 'format' = 'json'
);
CREATE TABLE result (symbol STRING, total INT, start_ts TIMESTAMP(3), end_ts TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO result
SELECT *
FROM ticker
    MATCH_RECOGNIZE (
        PARTITION BY symbol
        ORDER BY ts
        MEASURES SUM(a.price) AS total, FIRST(ts) AS start_ts, LAST(ts) AS end_ts
        ONE ROW PER MATCH
        AFTER MATCH SKIP PAST LAST ROW
        PATTERN (a+ c)
        DEFINE a AS SUM(a.price) < 30
    )
WHERE symbol = 'XYZ';
