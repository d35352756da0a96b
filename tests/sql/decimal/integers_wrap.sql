CREATE TABLE t (id INT, x DECIMAL(10, 2), y DECIMAL(5, 1), n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/decimal/values.json', 'format' = 'json');
CREATE TABLE result (id INT, a BIGINT, b INT, c INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id, n + 1, 2147483647 + id, 7 / 2 * id FROM t;
