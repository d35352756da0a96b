-- A field of a null row is null.
CREATE TABLE events (
    kind STRING,
    bid ROW<price BIGINT, bidder ROW<id BIGINT, name STRING>>,
    sale ROW<item STRING>,
    price AS bid.price * 2
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/row/events.json',
    'format' = 'json'
);
CREATE TABLE result (kind STRING, price BIGINT, doubled BIGINT, bidder BIGINT, name STRING, item STRING)
WITH ('connector' = 'print');
INSERT INTO result SELECT kind, bid.price, price, e.bid.bidder.id, bid.bidder.name, sale.item FROM events AS e;
