CREATE TABLE t (id INT, j STRING) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_json/docs.json', 'format' = 'json');
CREATE TABLE result (id INT, a STRING, b STRING, c STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, JSON_QUOTE(j), JSON_UNQUOTE(JSON_QUOTE(j)), JSON_STRING(id) FROM t;
