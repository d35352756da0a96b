-- Unless it is asked for, a text is written as it is.
CREATE TABLE people (id INT, name STRING, code STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/sink_enforcer/people.json', 'format' = 'json'
);
CREATE TABLE result (id INT, code VARCHAR(2)) WITH ('connector' = 'print');
INSERT INTO result SELECT id, code FROM people;
