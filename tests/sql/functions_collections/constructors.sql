CREATE TABLE t (id INT, a ARRAY<STRING>, n ARRAY<INT>, m MAP<STRING, STRING>) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_collections/things.json', 'format' = 'json');
CREATE TABLE result (id INT, a ARRAY<INT>, b STRING, c ARRAY<STRING>) WITH ('connector' = 'print');
INSERT INTO result SELECT id, ARRAY[id, 2], ARRAY['a', 'b'][id], SPLIT('p/q', '/') FROM t;
