-- A connector without partitions.
CREATE TABLE t (id INT, country STRING) PARTITIONED BY (country) WITH ('connector' = 'datagen');
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM t;
