-- Quotes, commas and quotes within quotes; an empty field of a number is null.
CREATE TABLE people (id INT, name STRING, score DOUBLE, member BOOLEAN, ts TIMESTAMP(3)) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/csv/people.csv',
    'format' = 'csv'
);
CREATE TABLE result (id INT, name STRING, score DOUBLE, member BOOLEAN, ts TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO result SELECT * FROM people;
