CREATE TABLE letters (k STRING, id INT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/letters.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, kind STRING, first_id INT, last_id INT) WITH ('connector' = 'print');
INSERT INTO result (kind, k, first_id, last_id)
SELECT kind, k, first_id, last_id
FROM letters
    MATCH_RECOGNIZE (
        PARTITION BY k, kind
        ORDER BY ts
        MEASURES one.id AS first_id, two.id AS last_id
        PATTERN (one two)
        DEFINE two AS two.id > one.id + 1
    );
