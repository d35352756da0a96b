CREATE TABLE t (id INT, a ARRAY<STRING>, n ARRAY<INT>, m MAP<STRING, STRING>) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_collections/things.json', 'format' = 'json');
CREATE TABLE result (id INT, a ARRAY<STRING>, b ARRAY<INT>, c STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, ARRAY_DISTINCT(a), ARRAY_REVERSE(n), ARRAY_JOIN(a, '+', '?') FROM t;
