CREATE TABLE t (id INT, j STRING) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_json/docs.json', 'format' = 'json');
CREATE TABLE result (id INT, a BOOLEAN, b BOOLEAN, c BOOLEAN) WITH ('connector' = 'print');
INSERT INTO result SELECT id, JSON_EXISTS(j, '$.a.b[1]'), JSON_EXISTS(j, '$.zzz'), JSON_EXISTS(j, '$.a' TRUE ON ERROR) FROM t;
