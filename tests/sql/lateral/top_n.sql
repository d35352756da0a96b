-- The first rows of each key of the table before it.
CREATE TABLE cities (city STRING, state STRING, population INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lateral/cities.json', 'format' = 'json'
);
CREATE TABLE states (code STRING, name STRING, `most` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lateral/states.json', 'format' = 'json'
);
CREATE TABLE result (name STRING, city STRING, population INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT name, city, population FROM states, LATERAL (
    SELECT city, population FROM cities WHERE state = states.code ORDER BY population DESC LIMIT 2
);
