-- A folder that is no value of the column.
-- parallelism: 1
CREATE TABLE t (id INT, country INT) PARTITIONED BY (country) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json');
CREATE TABLE u (id INT) WITH ('connector' = 'print');
INSERT INTO u SELECT country FROM t;
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM t;
