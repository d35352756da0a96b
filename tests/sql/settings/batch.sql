SET 'execution.runtime-mode' = 'batch';
CREATE TABLE people (id INT, name STRING, code STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/sink_enforcer/people.json', 'format' = 'json'
);
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM people;
