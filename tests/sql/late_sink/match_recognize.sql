-- Patterns are looked for in the order of time: what comes behind it is late.
-- parallelism: 1
-- late rows: 4
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'late.sink' = 'late',
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE late (id INT, amount INT, page ROW<host STRING, path STRING>, late_operator STRING) WITH ('connector' = 'print');
CREATE TABLE result (earlier INT, later INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT earlier, later FROM visits
MATCH_RECOGNIZE (
    ORDER BY ts
    MEASURES A.id AS earlier, B.id AS later
    AFTER MATCH SKIP TO NEXT ROW
    PATTERN (A B)
    DEFINE A AS TRUE, B AS B.id > A.id
);
