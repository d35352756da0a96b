CREATE TABLE result (id INT, y BIGINT, q BIGINT, w BIGINT, dow BIGINT, doy BIGINT, h BIGINT, s BIGINT) WITH ('connector' = 'print');
CREATE TABLE t (id INT, ts TIMESTAMP(3), txt STRING, d DATE, ms BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_time/times.json', 'format' = 'json');
INSERT INTO result SELECT id, YEAR(ts), QUARTER(ts), WEEK(d), DAYOFWEEK(d), DAYOFYEAR(ts), HOUR(ts), SECOND(ts) FROM t;
