-- Flink's own example: the keys are those of the table itself.
CREATE TABLE cities (city STRING, state STRING, population INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lateral/cities.json', 'format' = 'json'
);
CREATE TABLE states (code STRING, name STRING, `most` INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/lateral/states.json', 'format' = 'json'
);
CREATE TABLE result (state STRING, city STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT s.state, t.city FROM (SELECT DISTINCT state FROM cities) AS s, LATERAL (
    SELECT city FROM cities WHERE state = s.state ORDER BY population DESC LIMIT 1
) AS t;
