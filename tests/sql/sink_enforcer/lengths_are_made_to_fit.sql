-- Texts are cut to their column's length, and those of CHAR columns filled up with spaces.
SET 'table.exec.sink.type-length-enforcer' = 'TRIM_PAD';
CREATE TABLE people (id INT, name STRING, code STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/sink_enforcer/people.json', 'format' = 'json'
);
CREATE TABLE result (id INT, code VARCHAR(3), padded CHAR(5), name STRING, one CHAR) WITH ('connector' = 'print');
INSERT INTO result SELECT id, code, code, name, name FROM people;
