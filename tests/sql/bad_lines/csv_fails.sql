CREATE TABLE events (id INT, score DOUBLE) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/bad_lines/mixed.csv',
    'format' = 'csv'
);
CREATE TABLE result (id INT, score DOUBLE) WITH ('connector' = 'print');
INSERT INTO result SELECT id, score FROM events;
