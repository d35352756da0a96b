CREATE TABLE letters (k STRING, id INT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/letters.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, first_id INT, last_id INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT *
FROM letters
    MATCH_RECOGNIZE (
        PARTITION BY k
        ORDER BY ts
        MEASURES FIRST(id) AS first_id, LAST(id) AS last_id
        AFTER MATCH SKIP TO FIRST b
        PATTERN (a b{1,2}? c)
        DEFINE b AS b.kind = 'b', c AS c.kind = 'c'
    );
