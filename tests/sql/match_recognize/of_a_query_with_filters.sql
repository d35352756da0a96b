CREATE TABLE letters (k STRING, id INT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/letters.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, ids BIGINT, shown STRING) WITH ('connector' = 'print');
INSERT INTO result
WITH wanted AS (SELECT k, id * 10 AS id10, UPPER(kind) AS kind, ts FROM letters WHERE kind <> 'd')
SELECT m.k, m.a_id + m.c_id AS ids, UPPER(m.k) || m.first_kind AS shown
FROM wanted
    MATCH_RECOGNIZE (
        PARTITION BY k
        ORDER BY ts
        MEASURES CAST(a.id10 AS BIGINT) AS a_id, c.id10 + 1 AS c_id, LOWER(FIRST(kind)) AS first_kind
        AFTER MATCH SKIP PAST LAST ROW
        PATTERN (a b+ c)
        DEFINE a AS a.kind = 'A', b AS b.kind = 'B', c AS c.kind = 'C' AND c.id10 / 10 - LAST(a.id10) / 10 > 2
    ) AS m
WHERE m.k <> 'z';
