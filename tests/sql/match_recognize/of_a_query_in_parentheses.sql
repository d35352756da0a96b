CREATE TABLE letters (k STRING, id INT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/letters.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, pairs BIGINT, first_id INT, last_id INT) WITH ('connector' = 'print');
-- The rows of a pattern are matched by another one: pairs of an 'a' with the row behind it, two and two.
INSERT INTO result
SELECT outer_match.k, pairs, first_id, last_id
FROM (
    SELECT k, a_id, x_id, matched
    FROM (SELECT * FROM letters WHERE kind <> 'd')
        MATCH_RECOGNIZE (
            PARTITION BY k
            ORDER BY ts
            MEASURES a.id AS a_id, x.id AS x_id, MATCH_ROWTIME() AS matched
            AFTER MATCH SKIP PAST LAST ROW
            PATTERN (a x)
            DEFINE a AS a.kind = 'a'
        )
) MATCH_RECOGNIZE (
    PARTITION BY k
    ORDER BY matched
    MEASURES COUNT(*) AS pairs, FIRST(a_id) AS first_id, LAST(x_id) AS last_id
    AFTER MATCH SKIP PAST LAST ROW
    PATTERN (p{2})
    DEFINE p AS TRUE
) AS outer_match;
