CREATE TABLE result (a BOOLEAN, b BOOLEAN, c BOOLEAN, d BOOLEAN) WITH ('connector' = 'print');
INSERT INTO result SELECT IS_ALPHA('abc'), IS_DIGIT('1a'), IS_DECIMAL('-1.5'), IS_DECIMAL('x');
