CREATE TABLE result (id INT, a STRING, b STRING, c BOOLEAN, d BOOLEAN) WITH ('connector' = 'print');
CREATE TABLE t (id INT, s STRING, n INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_text/words.json', 'format' = 'json');
INSERT INTO result SELECT id, ELT(id, 'one', s, 'three'), CHR(96 + id), STARTSWITH(s, 'he'), ENDSWITH(s, 'ld') FROM t;
