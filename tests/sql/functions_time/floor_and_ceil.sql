CREATE TABLE result (id INT, a TIMESTAMP(3), b TIMESTAMP(3), c TIMESTAMP(3), e DATE) WITH ('connector' = 'print');
CREATE TABLE t (id INT, ts TIMESTAMP(3), txt STRING, d DATE, ms BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_time/times.json', 'format' = 'json');
INSERT INTO result SELECT id, FLOOR(ts TO HOUR), CEIL(ts TO DAY), FLOOR(ts TO WEEK), FLOOR(d TO MONTH) FROM t;
