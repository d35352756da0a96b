CREATE TABLE t (id INT, a ARRAY<STRING>, n ARRAY<INT>, m MAP<STRING, STRING>) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_collections/things.json', 'format' = 'json');
CREATE TABLE result (id INT, a INT, b INT, c INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id, CARDINALITY(a), CARDINALITY(m), CARDINALITY(n) FROM t;
