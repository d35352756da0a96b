CREATE TABLE result (id INT, a STRING, b STRING, c STRING, d STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, s STRING, n INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_text/words.json', 'format' = 'json');
INSERT INTO result SELECT id, REPLACE(s, 'o', '0'), TRANSLATE(s, 'lo,', 'L0'), OVERLAY(s PLACING '__' FROM 2), OVERLAY(s PLACING '_' FROM 2 FOR 3) FROM t;
