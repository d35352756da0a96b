CREATE TABLE result (n INT, t STRING) WITH ('connector' = 'print');
INSERT INTO result VALUES (1, id);
