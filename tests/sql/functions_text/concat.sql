CREATE TABLE result (id INT, a STRING, b STRING, c STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, s STRING, n INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_text/words.json', 'format' = 'json');
INSERT INTO result SELECT id, CONCAT('<', s, '>'), CONCAT_WS('|', 'a', s, 'b'), s || '!' FROM t;
