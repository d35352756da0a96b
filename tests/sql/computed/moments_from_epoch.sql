-- Milliseconds are the default precision; a fraction of a second is kept; null gives null.
CREATE TABLE events (id INT, ms BIGINT, s DECIMAL(20, 3)) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/computed/events.json',
    'format' = 'json'
);
CREATE TABLE result (id INT, a TIMESTAMP_LTZ(3), b TIMESTAMP_LTZ(3), c TIMESTAMP_LTZ(3)) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, TO_TIMESTAMP_LTZ(ms), TO_TIMESTAMP_LTZ(ms, 3), TO_TIMESTAMP_LTZ(s, 0)
FROM events;
