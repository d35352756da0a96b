SET 'table.exec.sink.type-length-enforcer' = 'TRIM_PAD';
CREATE TABLE people (id INT, name STRING, code STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/sink_enforcer/people.json', 'format' = 'json'
);
CREATE TABLE result (id INT, code VARBINARY(4)) WITH ('connector' = 'print');
INSERT INTO result SELECT id, ENCODE(code, 'UTF-8') FROM people;
