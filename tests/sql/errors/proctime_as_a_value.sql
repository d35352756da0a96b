-- The time at which a row passes is no value yet.
CREATE TABLE clicks (
    `user` STRING,
    country STRING,
    ms INT,
    p AS PROCTIME()
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/tumble/clicks.json',
    'format' = 'json'
);
CREATE TABLE result (p TIMESTAMP_LTZ(3)) WITH ('connector' = 'print');
INSERT INTO result
SELECT p FROM clicks;
