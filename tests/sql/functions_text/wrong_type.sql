CREATE TABLE result (a STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT LEFT(1, 2);
