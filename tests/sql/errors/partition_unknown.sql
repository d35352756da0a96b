-- A partition column is a column.
CREATE TABLE t (id INT, country STRING) PARTITIONED BY (contry) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json');
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM t;
