-- An aggregate of what matches; COUNT gives 0 of nothing.
CREATE TABLE cities (city STRING, state STRING, population INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lateral/cities.json', 'format' = 'json'
);
CREATE TABLE states (code STRING, name STRING, `most` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lateral/states.json', 'format' = 'json'
);
CREATE TABLE result (name STRING, c BIGINT, s INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT name, c, s FROM states, LATERAL (
    SELECT COUNT(*) AS c, SUM(population) AS s FROM cities WHERE state = states.code
) AS t;
