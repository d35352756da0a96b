CREATE TABLE t (id INT, x DECIMAL(10, 2), y DECIMAL(5, 1), n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/decimal/values.json', 'format' = 'json');
CREATE TABLE result (a INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM t WHERE n = '7';
