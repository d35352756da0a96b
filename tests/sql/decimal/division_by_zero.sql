CREATE TABLE t (id INT, x DECIMAL(10, 2), y DECIMAL(5, 1), n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/decimal/values.json', 'format' = 'json');
CREATE TABLE result (a DECIMAL(38, 6)) WITH ('connector' = 'print');
INSERT INTO result SELECT x / (y - y) FROM t;
