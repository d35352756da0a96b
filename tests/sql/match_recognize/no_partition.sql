CREATE TABLE letters (k STRING, id INT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/letters.json', 'format' = 'json'
);
CREATE TABLE result (a_id INT, c_id INT, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT a_id, c_id, n
FROM letters
    MATCH_RECOGNIZE (
        ORDER BY ts
        MEASURES a.id AS a_id, c.id AS c_id, COUNT(*) AS n
        AFTER MATCH SKIP PAST LAST ROW
        PATTERN (a b*? c)
        DEFINE a AS a.kind = 'a', c AS c.kind = 'c' AND c.k = a.k
    );
