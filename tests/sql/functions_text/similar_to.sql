CREATE TABLE result (id INT, a BOOLEAN, b BOOLEAN, c BOOLEAN) WITH ('connector' = 'print');
CREATE TABLE t (id INT, s STRING, n INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_text/words.json', 'format' = 'json');
INSERT INTO result SELECT id, s SIMILAR TO '(h|g)%', s SIMILAR TO '[a-z],b,+c', s NOT SIMILAR TO '%o%' FROM t;
