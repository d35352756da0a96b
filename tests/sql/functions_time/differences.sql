CREATE TABLE result (id INT, a INT, b INT, c INT, e TIMESTAMP(3), f TIMESTAMP(3)) WITH ('connector' = 'print');
CREATE TABLE t (id INT, ts TIMESTAMP(3), txt STRING, d DATE, ms BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_time/times.json', 'format' = 'json');
INSERT INTO result SELECT id, TIMESTAMPDIFF(DAY, TIMESTAMP '2024-01-01 00:00:00', ts), TIMESTAMPDIFF(MONTH, ts, TIMESTAMP '2024-02-01 00:00:00'), TIMESTAMPDIFF(SECOND, d, ts), TIMESTAMPADD(MONTH, 1, ts), TIMESTAMPADD(HOUR, -1, ts) FROM t;
