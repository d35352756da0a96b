-- skipped records: 1
-- Line 2 is no JSON and is skipped; the id of line 3 is no number and is read as null, as in Flink.
CREATE TABLE events (id INT, ts TIMESTAMP(3)) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/bad_lines/mixed.json',
    'format' = 'json',
    'json.ignore-parse-errors' = 'true'
);
CREATE TABLE result (id INT, ts TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO result SELECT id, ts FROM events;
