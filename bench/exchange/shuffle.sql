-- Counts by keys that hardly repeat: pre-aggregation shrinks nothing, and every bid is shuffled.

CREATE TABLE nexmark (
    event_type INT,
    bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,
            dateTime TIMESTAMP(3), extra STRING>,
    event_time AS bid.dateTime,
    WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
) WITH (
    'connector' = 'nexmark',
    'events.num' = '10000000',
    'first-event.rate' = '1000000',
    'person.proportion' = '0',
    'auction.proportion' = '0',
    'bid.proportion' = '50'
);

CREATE TABLE counts (
    auction BIGINT,
    bidder BIGINT,
    price BIGINT,
    bids BIGINT
) WITH (
    'connector' = 'blackhole'
);

INSERT INTO counts
SELECT bid.auction, bid.bidder, bid.price, COUNT(*)
FROM TABLE(TUMBLE(TABLE nexmark, DESCRIPTOR(event_time), INTERVAL '1' SECOND))
GROUP BY bid.auction, bid.bidder, bid.price, window_start, window_end;
