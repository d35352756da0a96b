CREATE TABLE result (id INT, a TIMESTAMP(3), b TIMESTAMP(3), c DATE, e BIGINT) WITH ('connector' = 'print');
CREATE TABLE t (id INT, ts TIMESTAMP(3), txt STRING, d DATE, ms BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_time/times.json', 'format' = 'json');
INSERT INTO result SELECT id, TO_TIMESTAMP(txt), TO_TIMESTAMP(txt, 'dd/MM/yyyy'), TO_DATE(txt), UNIX_TIMESTAMP(txt) FROM t;
