CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/folder', 'format' = 'json', 'dead-letter' = 'dead');
CREATE TABLE dead (record BYTES, reason STRING) WITH ('connector' = 'print');
CREATE TABLE result (a INT) WITH ('connector' = 'print');
INSERT INTO result SELECT a FROM t;
