CREATE TABLE result (id INT, a STRING, b STRING, c STRING, e STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, ts TIMESTAMP(3), txt STRING, d DATE, ms BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_time/times.json', 'format' = 'json');
INSERT INTO result SELECT id, DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm'), DATE_FORMAT(ts, 'EEE, d MMM yy h:mm a'), DATE_FORMAT(ts, '''at'' HH''h'' SSS'), DATE_FORMAT(txt, 'MMdd') FROM t;
