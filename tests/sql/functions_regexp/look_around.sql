CREATE TABLE result (a STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT REGEXP_EXTRACT('ab', 'a(?=b)');
