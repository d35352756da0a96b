-- Only what the query reads is decoded: a bad value in another column is none.
-- skipped records: 3
CREATE TABLE clicks (id INT, `user` STRING, ts TIMESTAMP(3)) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/dead_letter/clicks.json',
    'format' = 'json',
    'dead-letter' = 'dead'
);
CREATE TABLE dead (place STRING) WITH ('connector' = 'print');
CREATE TABLE result (`user` STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT `user` FROM clicks;
