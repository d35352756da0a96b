CREATE TABLE t (k STRING, id INT, kind STRING, n INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/nulls.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, a_id INT, others BIGINT, n INT, sum_others INT, least INT) WITH ('connector' = 'print');
-- Null is a key like others; a condition that is null does not hold; aggregates leave nulls out, and are null of no row.
INSERT INTO result
SELECT *
FROM t MATCH_RECOGNIZE (
    PARTITION BY k
    ORDER BY ts
    MEASURES a.id AS a_id, COUNT(o.n) AS others, LAST(n) AS n, SUM(o.n) AS sum_others, MIN(o.n) AS least
    PATTERN (a o*? b)
    DEFINE a AS a.kind = 'a', o AS o.kind <> 'b' OR o.kind IS NULL, b AS b.kind = 'b' AND (b.n IS NULL OR b.n < LAST(a.n) OR a.n IS NULL)
);
