-- There is one database.
CREATE TABLE t (id INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json');
CREATE VIEW v AS SELECT id FROM sales.t;
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM t;
