CREATE TABLE result (id INT, a STRING, b STRING, c STRING, d STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, s STRING, n INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_text/words.json', 'format' = 'json');
INSERT INTO result SELECT id, SUBSTRING(s, 2), SUBSTRING(s FROM n FOR 2), SUBSTR(s, -3, 2), SUBSTRING(s, 0, 2) FROM t;
