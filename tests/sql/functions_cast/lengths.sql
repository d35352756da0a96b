CREATE TABLE result (id INT, a STRING, b STRING, c STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, b BOOLEAN, d DOUBLE, f FLOAT, ts TIMESTAMP(3), x DECIMAL(10, 2), `day` DATE) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_cast/values.json', 'format' = 'json');
INSERT INTO result SELECT id, CAST(ts AS VARCHAR(10)), CAST(id AS CHAR(3)), CAST(d AS VARCHAR(4)) FROM t;
