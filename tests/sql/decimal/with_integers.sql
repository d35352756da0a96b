CREATE TABLE t (id INT, x DECIMAL(10, 2), y DECIMAL(5, 1), n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/decimal/values.json', 'format' = 'json');
CREATE TABLE result (id INT, a DECIMAL(22, 2), b DECIMAL(23, 3), c STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, x + n, 0.908 * n, CAST(x * 2 AS STRING) FROM t;
