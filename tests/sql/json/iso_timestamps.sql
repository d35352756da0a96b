CREATE TABLE events (id INT, ts TIMESTAMP_LTZ(3)) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/json/iso.json',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601'
);
CREATE TABLE result (id INT, ts TIMESTAMP_LTZ(3)) WITH ('connector' = 'print');
INSERT INTO result SELECT id, ts FROM events;
