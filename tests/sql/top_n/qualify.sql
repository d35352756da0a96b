-- QUALIFY picks rows by their number without a query around them; the number need not be in the result.
CREATE TABLE bids (auction INT, price INT, bidder STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (auction INT, price INT, n BIGINT) WITH ('connector' = 'print');
CREATE TABLE firsts (auction INT, price INT) WITH ('connector' = 'print');
EXECUTE STATEMENT SET BEGIN
INSERT INTO result SELECT auction, price, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS n FROM bids QUALIFY n <= 2;
INSERT INTO firsts SELECT auction, price FROM bids QUALIFY ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price) = 1;
END;
