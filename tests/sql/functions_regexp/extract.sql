CREATE TABLE result (id INT, a STRING, b STRING, c STRING, d STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, url STRING) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_regexp/urls.json', 'format' = 'json');
INSERT INTO result SELECT id, REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2), REGEXP_EXTRACT(url, 'channel_id=[0-9]+'), REGEXP_EXTRACT(url, '://(\w+)\.', 1), REGEXP_EXTRACT(url, 'x', 5) FROM t;
