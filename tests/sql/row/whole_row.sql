-- A row goes through as it is.
CREATE TABLE events (kind STRING, bid ROW<price BIGINT, bidder ROW<id BIGINT, name STRING>>) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/row/events.json',
    'format' = 'json'
);
CREATE TABLE result (bid ROW<price BIGINT, bidder ROW<id BIGINT, name STRING>>) WITH ('connector' = 'print');
INSERT INTO result SELECT bid FROM events WHERE kind = 'bid';
