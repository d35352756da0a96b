-- Rows without any stay; an offset leaves the first ones out.
CREATE TABLE cities (city STRING, state STRING, population INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lateral/cities.json', 'format' = 'json'
);
CREATE TABLE states (code STRING, name STRING, `most` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lateral/states.json', 'format' = 'json'
);
CREATE TABLE result (name STRING, city STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT name, city FROM states LEFT JOIN LATERAL (
    SELECT city FROM cities WHERE state = states.code ORDER BY population DESC LIMIT 2 OFFSET 1
) AS t ON TRUE;
