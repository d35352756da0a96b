CREATE TABLE t (id INT, j STRING) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_json/docs.json', 'format' = 'json');
CREATE TABLE result (a STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT JSON_VALUE(j, 'a.b') FROM t;
