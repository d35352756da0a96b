-- skipped records: 0
-- Values that don't fit and those that are missing are read as null, as in Flink.
CREATE TABLE events (id INT, score DOUBLE) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/bad_lines/mixed.csv',
    'format' = 'csv',
    'csv.ignore-parse-errors' = 'true'
);
CREATE TABLE result (id INT, score DOUBLE) WITH ('connector' = 'print');
INSERT INTO result SELECT id, score FROM events;
