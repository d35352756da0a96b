-- A connector without any.
CREATE TABLE t (id INT, f STRING METADATA) WITH ('connector' = 'datagen');
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM t;
