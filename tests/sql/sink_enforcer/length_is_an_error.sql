-- parallelism: 1
SET 'table.exec.sink.type-length-enforcer' = 'ERROR';
CREATE TABLE people (id INT, name STRING, code STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/sink_enforcer/people.json', 'format' = 'json'
);
CREATE TABLE result (id INT, code VARCHAR(4)) WITH ('connector' = 'print');
INSERT INTO result SELECT id, code FROM people;
