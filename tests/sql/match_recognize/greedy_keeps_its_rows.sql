CREATE TABLE letters (k STRING, id INT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/letters.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, a_id INT, bs BIGINT, e_id INT, e_kind STRING) WITH ('connector' = 'print');
-- Rows that b could take are never e's, even if the match needs one: e takes an 'a' only.
INSERT INTO result
SELECT *
FROM letters
    MATCH_RECOGNIZE (
        PARTITION BY k
        ORDER BY ts
        MEASURES a.id AS a_id, COUNT(b.id) AS bs, e.id AS e_id, e.kind AS e_kind
        AFTER MATCH SKIP PAST LAST ROW
        PATTERN (a b+ e)
        DEFINE a AS a.kind = 'a', b AS b.kind <> 'a', e AS e.kind IN ('a', 'c')
    );
