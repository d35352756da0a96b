-- Only a partition column can be given.
CREATE TABLE t (id INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json');
CREATE TABLE s (id INT, country STRING) WITH ('connector' = 'blackhole');
INSERT INTO s PARTITION (country = 'AT') SELECT id FROM t;
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM t;
