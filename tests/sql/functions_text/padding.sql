CREATE TABLE result (id INT, a STRING, b STRING, c STRING, d STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, s STRING, n INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_text/words.json', 'format' = 'json');
INSERT INTO result SELECT id, LPAD(s, 6, 'xy'), RPAD(s, 6, 'xy'), LPAD(s, n, '-'), RPAD(s, 3, '') FROM t;
