CREATE TABLE t (id INT, j STRING) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_json/docs.json', 'format' = 'json');
CREATE TABLE result (id INT, a STRING, b STRING, c STRING, d STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, JSON_VALUE(j, '$.s'), JSON_VALUE(j, 'lax $.a.b[1]'), JSON_VALUE(j, '$.a' DEFAULT 'none' ON EMPTY), JSON_VALUE(j, 'strict $.a' DEFAULT 'wrong' ON ERROR) FROM t;
