CREATE TABLE t (a STRING, b STRING) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/raw/access.log', 'format' = 'raw');
CREATE TABLE result (a STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT a FROM t;
