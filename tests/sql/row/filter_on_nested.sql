CREATE TABLE events (kind STRING, bid ROW<price BIGINT, bidder ROW<id BIGINT, name STRING>>) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/row/events.json',
    'format' = 'json'
);
CREATE VIEW bids AS SELECT bid.price AS price, bid.bidder.id AS bidder FROM events WHERE kind = 'bid';
CREATE TABLE result (price BIGINT, bidder BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT price, bidder FROM bids WHERE price > 5;
