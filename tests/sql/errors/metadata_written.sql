-- What cannot be written must be VIRTUAL.
CREATE TABLE t (id INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json');
CREATE TABLE s (id INT, f STRING METADATA FROM 'file.name') WITH ('connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json');
INSERT INTO s SELECT id, 'x' FROM t;
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM t;
