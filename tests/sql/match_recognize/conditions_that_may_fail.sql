CREATE TABLE letters (k STRING, id INT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/letters.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, a_id INT, c_id INT) WITH ('connector' = 'print');
-- The division would fail for row 14, which no partial match offers to c.
INSERT INTO result
SELECT *
FROM letters
    MATCH_RECOGNIZE (
        PARTITION BY k
        ORDER BY ts
        MEASURES a.id AS a_id, c.id AS c_id
        AFTER MATCH SKIP PAST LAST ROW
        PATTERN (a b c)
        DEFINE a AS a.id IN (4, 21), c AS 100 / (c.id - 14) <> 0
    );
