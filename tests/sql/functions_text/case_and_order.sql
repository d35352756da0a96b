CREATE TABLE result (id INT, a STRING, b STRING, c STRING, d STRING, e INT) WITH ('connector' = 'print');
CREATE TABLE t (id INT, s STRING, n INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_text/words.json', 'format' = 'json');
INSERT INTO result SELECT id, UPPER(s), INITCAP(s), REVERSE(s), REPEAT(s, n), ASCII(s) FROM t;
