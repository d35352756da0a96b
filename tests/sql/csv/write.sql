-- What needs quotes gets them.
CREATE TABLE people (id INT, name STRING, score DOUBLE, member BOOLEAN, ts TIMESTAMP(3)) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/csv/people.csv',
    'format' = 'csv'
);
CREATE TABLE result (name STRING, score DOUBLE, member BOOLEAN, ts TIMESTAMP(3), id INT) WITH (
    'connector' = 'filesystem',
    'path' = '{out}/result',
    'format' = 'csv'
);
INSERT INTO result SELECT name, score, member, ts, id FROM people;
