CREATE TABLE result (id INT, a STRING, b STRING, c STRING, d STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, s STRING, n INT) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_text/words.json', 'format' = 'json');
INSERT INTO result SELECT id, SPLIT_INDEX(s, ',', 1), SPLIT_INDEX(s, ',', n), SPLIT_INDEX(s, 'l', 2), SPLIT_INDEX(s, 44, 3) FROM t;
