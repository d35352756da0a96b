-- Queries alone are printed, beside what else the script does; a table of the script keeps its name.
CREATE TABLE preview (n INT) WITH ('connector' = 'print');
INSERT INTO preview VALUES (1), (2);
SELECT n, 'x' AS word FROM (VALUES (1), (2), (3)) AS t (n) WHERE n > 1;
WITH t AS (SELECT * FROM (VALUES (1, 'a'), (1, 'b'), (2, 'c')) AS t (k, v)) SELECT k, COUNT(*) AS n FROM t GROUP BY k;
