CREATE TABLE people (id INT, name STRING, score INT) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/csv/semicolons.csv',
    'format' = 'csv',
    'csv.field-delimiter' = ';',
    'csv.null-literal' = 'n/a'
);
CREATE TABLE result (id INT, name STRING, score INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id, name, score FROM people;
