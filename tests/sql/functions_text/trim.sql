CREATE TABLE result (id INT, a STRING, b STRING, c STRING, d STRING, e STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, s STRING, n INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_text/words.json', 'format' = 'json');
INSERT INTO result SELECT id, TRIM(s), TRIM(LEADING 'h ' FROM s), TRIM(BOTH ' x' FROM s), LTRIM(s), RTRIM(s, 'd') FROM t;
