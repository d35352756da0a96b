-- title: Bids per auction, live
-- description: Counts the bids on each auction of a simulated auction site in 10-second windows, until it is cancelled.

CREATE TABLE nexmark (
    event_type INT,
    person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, state STRING,
               dateTime TIMESTAMP(3), extra STRING>,
    auction ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT,
                dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING>,
    bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,
            dateTime TIMESTAMP(3), extra STRING>,
    event_time AS CASE event_type
        WHEN 0 THEN person.dateTime
        WHEN 1 THEN auction.dateTime
        ELSE bid.dateTime
    END,
    WATERMARK FOR event_time AS event_time - INTERVAL '4' SECOND
) WITH (
    'connector' = 'nexmark',
    'first-event.rate' = '1000',
    'rate.limited' = 'true'
);

CREATE VIEW bids AS
SELECT bid.auction AS auction, bid.price AS price, event_time
FROM nexmark
WHERE event_type = 2;

CREATE TABLE busy_auctions (
    window_end TIMESTAMP(3),
    auction BIGINT,
    bids BIGINT,
    highest BIGINT
) WITH (
    'connector' = 'print'
);

INSERT INTO busy_auctions
SELECT window_end, auction, COUNT(*), MAX(price)
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, auction
HAVING COUNT(*) >= 10;
