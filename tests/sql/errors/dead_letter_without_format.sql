CREATE TABLE t (a INT) WITH ('connector' = 'datagen', 'number-of-rows' = '3', 'dead-letter' = 'dead');
CREATE TABLE dead (record BYTES) WITH ('connector' = 'print');
CREATE TABLE result (a INT) WITH ('connector' = 'print');
INSERT INTO result SELECT a FROM t;
