CREATE TABLE t (id INT, a ARRAY<STRING>, n ARRAY<INT>, m MAP<STRING, STRING>) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_collections/things.json', 'format' = 'json');
CREATE TABLE result (id INT, k ARRAY<STRING>, v ARRAY<STRING>, s STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, MAP_KEYS(m), MAP_VALUES(m), STR_TO_MAP('a=1,b=2')['b'] FROM t;
