CREATE TABLE t (id INT, j STRING) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_json/docs.json', 'format' = 'json');
CREATE TABLE result (id INT, a STRING, b STRING, c STRING, d STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, JSON_QUERY(j, '$.a'), JSON_QUERY(j, '$.n' WITH CONDITIONAL WRAPPER), JSON_QUERY(j, '$.a.b' WITH UNCONDITIONAL ARRAY WRAPPER), JSON_QUERY(j, '$.s' EMPTY ARRAY ON EMPTY EMPTY OBJECT ON ERROR) FROM t;
