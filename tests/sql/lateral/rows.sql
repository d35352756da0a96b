-- Any rows that match, by more than an equality.
CREATE TABLE cities (city STRING, state STRING, population INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lateral/cities.json', 'format' = 'json'
);
CREATE TABLE states (code STRING, name STRING, `most` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lateral/states.json', 'format' = 'json'
);
CREATE TABLE result (name STRING, city STRING, twice INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT name, city, twice FROM states CROSS JOIN LATERAL (
    SELECT city, population * 2 AS twice FROM cities WHERE state = states.code AND population < states.`most`
) AS t;
