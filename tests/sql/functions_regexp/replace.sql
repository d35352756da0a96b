CREATE TABLE result (id INT, a STRING, b STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, url STRING) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_regexp/urls.json', 'format' = 'json');
INSERT INTO result SELECT id, REGEXP_REPLACE(url, '[./]+', '-'), REGEXP_REPLACE(url, '(a)', '$1$1') FROM t;
