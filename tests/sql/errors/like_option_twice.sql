-- With INCLUDING OPTIONS, none may be said twice.
CREATE TABLE base (id INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json');
CREATE TABLE t WITH ('format' = 'csv') LIKE base (INCLUDING OPTIONS);
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM t;
