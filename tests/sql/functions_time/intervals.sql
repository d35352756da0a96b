CREATE TABLE result (id INT, a TIMESTAMP(3), b TIMESTAMP(3), c TIMESTAMP(3)) WITH ('connector' = 'print');
CREATE TABLE t (id INT, ts TIMESTAMP(3), txt STRING, d DATE, ms BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_time/times.json', 'format' = 'json');
INSERT INTO result SELECT id, ts + INTERVAL '1' DAY, ts - INTERVAL '1' MONTH, ts + INTERVAL '1' YEAR FROM t;
