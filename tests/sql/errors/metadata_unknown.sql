-- A key that the connector does not have.
CREATE TABLE t (id INT, f STRING METADATA FROM 'file.nam') WITH ('connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json');
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM t;
