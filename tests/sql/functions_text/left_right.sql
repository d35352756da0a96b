CREATE TABLE result (id INT, a STRING, b STRING, c STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, s STRING, n INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_text/words.json', 'format' = 'json');
INSERT INTO result SELECT id, LEFT(s, n), RIGHT(s, 2), RIGHT(s, n) FROM t;
