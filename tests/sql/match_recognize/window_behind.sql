CREATE TABLE letters (k STRING, id INT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/letters.json', 'format' = 'json'
);
CREATE TABLE result (window_start TIMESTAMP(3), matches BIGINT) WITH ('connector' = 'print');
CREATE VIEW found AS
SELECT k, matched
FROM letters
    MATCH_RECOGNIZE (
        PARTITION BY k
        ORDER BY ts
        MEASURES MATCH_ROWTIME() AS matched
        AFTER MATCH SKIP PAST LAST ROW
        PATTERN (a b*? c)
        DEFINE a AS a.kind = 'a', c AS c.kind = 'c'
    );
INSERT INTO result
SELECT window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE found, DESCRIPTOR(matched), INTERVAL '10' SECOND))
GROUP BY window_start, window_end;
