CREATE TABLE t (id INT, x DECIMAL(10, 2), y DECIMAL(5, 1), n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/decimal/values.json', 'format' = 'json');
CREATE TABLE result (id INT, a DECIMAL(11, 2), b DECIMAL(11, 2), c DECIMAL(16, 3), d DECIMAL(17, 8), e DECIMAL(6, 2)) WITH ('connector' = 'print');
INSERT INTO result SELECT id, x + y, x - y, x * y, x / y, x % y FROM t;
