-- Another type.
CREATE TABLE t (id INT, f INT METADATA FROM 'file.size') WITH ('connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json');
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM t;
