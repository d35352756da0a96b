-- Top ten bids of each auction.

CREATE TABLE result (
    auction BIGINT,
    bidder BIGINT,
    price BIGINT,
    channel STRING,
    url STRING,
    dateTime TIMESTAMP(3),
    extra STRING,
    rank_number BIGINT
) WITH ('connector' = 'blackhole');

INSERT INTO result
SELECT *
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS rank_number
    FROM bid
) AS t
WHERE rank_number <= 10;
