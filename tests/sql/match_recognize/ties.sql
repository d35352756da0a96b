CREATE TABLE t (id INT, n INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/ties.json', 'format' = 'json'
);
CREATE TABLE result (how STRING, first_n INT, second_n INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT 'up', first_n, second_n
FROM t MATCH_RECOGNIZE (
    ORDER BY ts, n
    MEASURES x.n AS first_n, y.n AS second_n
    AFTER MATCH SKIP TO NEXT ROW
    PATTERN (x y)
    DEFINE x AS TRUE
)
UNION ALL
SELECT 'down', first_n, second_n
FROM t MATCH_RECOGNIZE (
    ORDER BY ts, n DESC
    MEASURES x.n AS first_n, y.n AS second_n
    AFTER MATCH SKIP TO NEXT ROW
    PATTERN (x y)
    DEFINE x AS TRUE
)
UNION ALL
SELECT 'as they came', first_n, second_n
FROM t MATCH_RECOGNIZE (
    ORDER BY ts
    MEASURES x.n AS first_n, y.n AS second_n
    AFTER MATCH SKIP TO NEXT ROW
    PATTERN (x y)
    DEFINE x AS TRUE
);
