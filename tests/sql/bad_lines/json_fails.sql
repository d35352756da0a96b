CREATE TABLE events (id INT, ts TIMESTAMP(3)) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/bad_lines/mixed.json',
    'format' = 'json'
);
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM events;
