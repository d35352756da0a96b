CREATE TABLE t (id INT, a ARRAY<STRING>, n ARRAY<INT>, m MAP<STRING, STRING>) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_collections/things.json', 'format' = 'json');
CREATE TABLE result (id INT, a STRING, b INT, c STRING, d STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, a[2], n[id], m['k'], a[9] FROM t;
