-- Bounded side input join: bids with what a file says of them.

CREATE TABLE side_input (
    key BIGINT,
    `value` STRING
) WITH (
    'connector' = 'filesystem',
    'path' = 'bench/nexmark/side_input.csv',
    'format' = 'csv'
);

CREATE TABLE result (
    auction BIGINT,
    bidder BIGINT,
    price BIGINT,
    dateTime TIMESTAMP(3),
    `value` STRING
) WITH ('connector' = 'blackhole');

INSERT INTO result
SELECT b.auction, b.bidder, b.price, b.dateTime, s.`value`
FROM (SELECT *, MOD(auction, 10000) AS `mod`, PROCTIME() AS p_time FROM bid) AS b
JOIN side_input FOR SYSTEM_TIME AS OF b.p_time AS s ON b.`mod` = s.key;
