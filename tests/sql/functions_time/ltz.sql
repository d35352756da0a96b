CREATE TABLE result (id INT, a TIMESTAMP_LTZ(3), b TIMESTAMP_LTZ(3), c TIMESTAMP_LTZ(3), e TIMESTAMP_LTZ(3)) WITH ('connector' = 'print');
CREATE TABLE t (id INT, ts TIMESTAMP(3), txt STRING, d DATE, ms BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_time/times.json', 'format' = 'json');
INSERT INTO result SELECT id, TO_TIMESTAMP_LTZ(ms, 3), TO_TIMESTAMP_LTZ(ms / 1000, 0), TO_TIMESTAMP_LTZ(txt), TO_TIMESTAMP_LTZ(txt, 'yyyy-MM-dd HH:mm:ss', 'Europe/Berlin') FROM t;
