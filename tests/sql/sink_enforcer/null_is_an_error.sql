-- A null for a NOT NULL column ends the job.
-- parallelism: 1
CREATE TABLE people (id INT, name STRING, code STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/sink_enforcer/people.json', 'format' = 'json'
);
CREATE TABLE result (id INT NOT NULL, name STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, name FROM people;
