CREATE TABLE result (id INT, a STRING, b STRING, c STRING, e STRING, f STRING, g STRING) WITH ('connector' = 'print');
CREATE TABLE t (id INT, b BOOLEAN, d DOUBLE, f FLOAT, ts TIMESTAMP(3), x DECIMAL(10, 2), `day` DATE) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/functions_cast/values.json', 'format' = 'json');
INSERT INTO result SELECT id, CAST(b AS STRING), CAST(d AS STRING), CAST(f AS STRING), CAST(ts AS STRING), CAST(x AS STRING), CAST(`day` AS STRING) FROM t;
