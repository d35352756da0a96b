-- One row.
CREATE TABLE result (n INT, t STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT 1 + 2, CONCAT('a', 'b') UNION ALL SELECT 4, 'c' UNION ALL VALUES (5, 'd');
