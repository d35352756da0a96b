CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/folder', 'format' = 'json', 'dead-letter' = 'dead', 'json.ignore-parse-errors' = 'true');
CREATE TABLE dead (record BYTES) WITH ('connector' = 'print');
CREATE TABLE result (a INT) WITH ('connector' = 'print');
INSERT INTO result SELECT a FROM t;
