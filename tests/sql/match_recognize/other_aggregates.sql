CREATE TABLE letters (k STRING, id INT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/letters.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, kinds STRING, bs STRING, first_b INT, last_b INT, spread DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT *
FROM letters
    MATCH_RECOGNIZE (
        PARTITION BY k
        ORDER BY ts
        MEASURES
            LISTAGG(kind) AS kinds,
            LISTAGG(b.kind || CAST(b.id AS STRING)) AS bs,
            FIRST_VALUE(b.id) AS first_b,
            LAST_VALUE(b.id) AS last_b,
            VAR_POP(CAST(id AS DOUBLE)) AS spread
        AFTER MATCH SKIP PAST LAST ROW
        PATTERN (a b* c)
        DEFINE a AS a.kind = 'a', b AS b.kind = 'b', c AS c.kind = 'c'
    );
