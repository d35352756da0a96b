CREATE TABLE t (id INT, j STRING) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_json/docs.json', 'format' = 'json');
CREATE TABLE result (id INT, n INT, b BOOLEAN, x BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT id, JSON_VALUE(j, '$.n' RETURNING INT), JSON_VALUE(j, '$.t' RETURNING BOOLEAN), JSON_VALUE(j, '$.zzz' RETURNING BIGINT DEFAULT 5 ON EMPTY) FROM t WHERE id <> 2;
