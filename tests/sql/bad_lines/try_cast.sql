CREATE TABLE words (word STRING) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/bad_lines/words.json',
    'format' = 'json'
);
CREATE TABLE result (n INT) WITH ('connector' = 'print');
INSERT INTO result SELECT TRY_CAST(word AS INT) FROM words;
