-- parallelism: 1
CREATE TABLE letters (k STRING, id INT, kind STRING, pt AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/letters.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, first_id INT, last_id INT) WITH ('connector' = 'print');
-- Rows are matched in the order in which they come.
INSERT INTO result
SELECT *
FROM letters
    MATCH_RECOGNIZE (
        PARTITION BY k
        ORDER BY pt
        MEASURES FIRST(id) AS first_id, LAST(id) AS last_id
        AFTER MATCH SKIP PAST LAST ROW
        PATTERN (a x{2}) WITHIN INTERVAL '1' HOUR
        DEFINE a AS a.kind = 'a'
    );
