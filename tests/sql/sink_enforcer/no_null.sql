-- What cannot be null is not looked at, and what turns out not to be passes.
CREATE TABLE people (id INT, name STRING, code STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/sink_enforcer/people.json', 'format' = 'json'
);
CREATE TABLE result (n BIGINT NOT NULL, name STRING NOT NULL) WITH ('connector' = 'print');
INSERT INTO result SELECT COUNT(*), COALESCE(name, '?') FROM people WHERE id IS NOT NULL GROUP BY COALESCE(name, '?');
