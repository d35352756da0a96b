CREATE TABLE result (id INT, a INT, b INT, c INT, d INT) WITH ('connector' = 'print');
CREATE TABLE t (id INT, s STRING, n INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_text/words.json', 'format' = 'json');
INSERT INTO result SELECT id, POSITION('o' IN s), LOCATE('o', s, 6), INSTR(s, 'e'), LOCATE('', s) FROM t;
