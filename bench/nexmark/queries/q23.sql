-- Bids with their bidder and all that the bidder sells: three inputs by one key.

CREATE TABLE result (
    auction BIGINT,
    bidder BIGINT,
    price BIGINT,
    dateTime TIMESTAMP(3),
    name STRING,
    city STRING,
    state STRING,
    auction_id BIGINT,
    itemName STRING,
    category BIGINT
) WITH ('connector' = 'blackhole');

INSERT INTO result
SELECT b.auction, b.bidder, b.price, b.dateTime, p.name, p.city, p.state, a.id, a.itemName, a.category
FROM bid AS b
JOIN person AS p ON b.bidder = p.id
JOIN auction AS a ON b.bidder = a.seller;
