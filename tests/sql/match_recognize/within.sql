CREATE TABLE letters (k STRING, id INT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/letters.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, first_id INT, last_id INT) WITH ('connector' = 'print');
-- Of key x, rows are 2 s apart: 3 rows may be 4 s apart, 4 rows 6 s, which is not less.
INSERT INTO result
SELECT *
FROM letters
    MATCH_RECOGNIZE (
        PARTITION BY k
        ORDER BY ts
        MEASURES FIRST(id) AS first_id, LAST(id) AS last_id
        AFTER MATCH SKIP PAST LAST ROW
        PATTERN (a b*? c) WITHIN INTERVAL '6' SECOND
        DEFINE a AS a.kind <> 'c', c AS c.kind = 'c'
    );
