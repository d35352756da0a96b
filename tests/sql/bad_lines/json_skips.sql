-- skipped records: 2
CREATE TABLE events (id INT, ts TIMESTAMP(3)) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/bad_lines/mixed.json',
    'format' = 'json',
    'json.ignore-parse-errors' = 'true'
);
CREATE TABLE result (id INT, ts TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO result SELECT id, ts FROM events;
