CREATE TABLE result (id INT, dow BIGINT, isodow BIGINT, isoyear BIGINT, century BIGINT, epoch BIGINT, day_ BIGINT) WITH ('connector' = 'print');
CREATE TABLE t (id INT, ts TIMESTAMP(3), txt STRING, d DATE, ms BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_time/times.json', 'format' = 'json');
INSERT INTO result SELECT id, EXTRACT(DOW FROM ts), EXTRACT(ISODOW FROM d), EXTRACT(ISOYEAR FROM ts), EXTRACT(CENTURY FROM ts), EXTRACT(EPOCH FROM ts), EXTRACT(DAY FROM ts) FROM t;
