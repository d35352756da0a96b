-- LIKE takes a table.
CREATE TABLE base (id INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json');
CREATE VIEW v AS SELECT id FROM base;
CREATE TABLE t WITH ('connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json') LIKE v;
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM t;
