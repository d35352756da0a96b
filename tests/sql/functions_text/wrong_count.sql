CREATE TABLE result (a STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT SPLIT_INDEX('a', ',');
