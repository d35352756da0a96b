CREATE TABLE result (id INT, a STRING, b STRING, c STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, ts TIMESTAMP(3), txt STRING, d DATE, ms BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_time/times.json', 'format' = 'json');
INSERT INTO result SELECT id, FROM_UNIXTIME(ms / 1000), FROM_UNIXTIME(ms / 1000, 'yyyy'), CONVERT_TZ(txt, 'UTC', 'Asia/Tokyo') FROM t;
