-- late rows: 1
-- parallelism: 1
SET 'pipeline.batch-rows' = '1';
SET 'pipeline.auto-watermark-interval' = '0';
CREATE TABLE t (id INT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/late.json', 'format' = 'json'
);
CREATE TABLE result (a_id INT, b_id INT) WITH ('connector' = 'print');
-- Row 4 comes when time has reached 7 s: between rows 1 and 2 it would have changed the first match.
INSERT INTO result
SELECT *
FROM t MATCH_RECOGNIZE (
    ORDER BY ts
    MEASURES a.id AS a_id, b.id AS b_id
    PATTERN (a b)
    DEFINE a AS a.kind = 'a', b AS b.kind = 'b'
);
