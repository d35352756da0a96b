CREATE TABLE result (id INT, a BOOLEAN, b BOOLEAN, c INT, d INT, e STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, url STRING) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_regexp/urls.json', 'format' = 'json');
INSERT INTO result SELECT id, REGEXP(url, '^https'), REGEXP(url, ''), REGEXP_COUNT(url, 'w'), REGEXP_INSTR(url, '[abc]\.'), REGEXP_SUBSTR(url, '\d+') FROM t;
