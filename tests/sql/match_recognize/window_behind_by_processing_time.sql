-- parallelism: 1
CREATE TABLE letters (k STRING, id INT, kind STRING, pt AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/letters.json', 'format' = 'json'
);
CREATE TABLE result (matches BIGINT, letters BIGINT) WITH ('connector' = 'print');
CREATE VIEW found AS
SELECT k, n, matched
FROM letters
    MATCH_RECOGNIZE (
        PARTITION BY k
        ORDER BY pt
        MEASURES COUNT(*) AS n, MATCH_PROCTIME() AS matched
        AFTER MATCH SKIP PAST LAST ROW
        PATTERN (a x)
        DEFINE a AS a.kind = 'a'
    );
INSERT INTO result
SELECT COUNT(*), SUM(n)
FROM TABLE(TUMBLE(TABLE found, DESCRIPTOR(matched), INTERVAL '10000' DAY))
GROUP BY window_start, window_end;
