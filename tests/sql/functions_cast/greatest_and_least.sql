CREATE TABLE result (id INT, a INT, b INT, c DOUBLE) WITH ('connector' = 'print');
CREATE TABLE t (id INT, b BOOLEAN, d DOUBLE, f FLOAT, ts TIMESTAMP(3), x DECIMAL(10, 2), `day` DATE) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_cast/values.json', 'format' = 'json');
INSERT INTO result SELECT id, GREATEST(id, 2), LEAST(id, 2, 9), GREATEST(d, 1.5E0) FROM t;
