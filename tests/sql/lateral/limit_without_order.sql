-- Some row of each key.
CREATE TABLE cities (city STRING, state STRING, population INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lateral/cities.json', 'format' = 'json'
);
CREATE TABLE states (code STRING, name STRING, `most` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lateral/states.json', 'format' = 'json'
);
CREATE TABLE result (name STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT name FROM states, LATERAL (SELECT city FROM cities WHERE state = states.code LIMIT 1) AS t;
