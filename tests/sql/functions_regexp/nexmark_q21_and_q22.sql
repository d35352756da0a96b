CREATE TABLE result (id INT, channel STRING, dir1 STRING, dir2 STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, url STRING) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_regexp/urls.json', 'format' = 'json');
INSERT INTO result SELECT id, CASE WHEN LOWER(url) = 'channel_id=apple' THEN '0' ELSE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) END, SPLIT_INDEX(url, '/', 3), SPLIT_INDEX(url, '/', 4) FROM t WHERE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) IS NOT NULL OR SPLIT_INDEX(url, '/', 3) IS NOT NULL;
