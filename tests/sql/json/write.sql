CREATE TABLE types (i INT, c STRING, ts TIMESTAMP(3)) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/json/types.json',
    'format' = 'json'
);
CREATE TABLE result (c STRING, i INT, ts TIMESTAMP(3)) WITH (
    'connector' = 'filesystem',
    'path' = '{out}/result',
    'format' = 'json'
);
INSERT INTO result SELECT c, i, ts FROM types;
