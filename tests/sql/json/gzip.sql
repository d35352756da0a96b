CREATE TABLE names (id INT, name STRING) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/json/zipped.json.gz',
    'format' = 'json'
);
CREATE TABLE result (id INT, name STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, name FROM names WHERE id > 1;
