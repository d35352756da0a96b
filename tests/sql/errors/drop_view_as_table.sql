-- A view is dropped as one.
CREATE TABLE t (id INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json');
CREATE VIEW v AS SELECT id FROM t;
DROP TABLE v;
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM t;
