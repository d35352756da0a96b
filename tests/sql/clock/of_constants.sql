-- Without a table, too.
CREATE TABLE result (later BOOLEAN, known BOOLEAN) WITH ('connector' = 'print');
INSERT INTO result SELECT NOW() > TIMESTAMP '2024-03-01 10:00:00', CHAR_LENGTH(UUID()) = 36;
