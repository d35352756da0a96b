CREATE TABLE result (id INT, a BOOLEAN, b BOOLEAN, c BOOLEAN) WITH ('connector' = 'print');
CREATE TABLE t (id INT, s STRING, n INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_text/words.json', 'format' = 'json');
INSERT INTO result SELECT id, s LIKE '%lo%', s LIKE 'a!,%' ESCAPE '!', s NOT LIKE '_,_,,_' FROM t;
