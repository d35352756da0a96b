CREATE TABLE t (id INT, place ROW<x INT, y INT>, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/places.json', 'format' = 'json'
);
CREATE TABLE result (a_id INT, moved INT, y INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT *
FROM t MATCH_RECOGNIZE (
    ORDER BY ts
    MEASURES a.id AS a_id, b.place.x - FIRST(a.place.x) AS moved, place.y AS y
    AFTER MATCH SKIP PAST LAST ROW
    PATTERN (a b)
    DEFINE b AS b.place.x > a.place.x
);
