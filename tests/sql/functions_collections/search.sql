CREATE TABLE t (id INT, a ARRAY<STRING>, n ARRAY<INT>, m MAP<STRING, STRING>) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_collections/things.json', 'format' = 'json');
CREATE TABLE result (id INT, a BOOLEAN, b INT, c BOOLEAN) WITH ('connector' = 'print');
INSERT INTO result SELECT id, ARRAY_CONTAINS(a, 'y'), ARRAY_POSITION(n, 2), ARRAY_CONTAINS(n, 7) FROM t;
