-- Its row is left out: of any NOT NULL column, and of the primary key's.
SET 'table.exec.sink.not-null-enforcer' = 'DROP';
CREATE TABLE people (id INT, name STRING, code STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/sink_enforcer/people.json', 'format' = 'json'
);
CREATE TABLE result (id INT, name STRING NOT NULL, code STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'print');
INSERT INTO result SELECT id, name, code FROM people;
