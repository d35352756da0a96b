-- title: Card fraud
-- description: Finds cards that are tried with two or more payments below 10 and then, within 10 minutes, charged at least 500.

CREATE TABLE payments (
    card STRING,
    payment_time TIMESTAMP(3),
    amount DOUBLE,
    shop STRING,
    WATERMARK FOR payment_time AS payment_time - INTERVAL '5' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/card-fraud/payments.json',
    'format' = 'json'
);

CREATE TABLE suspicious (
    card STRING,
    first_try TIMESTAMP(3),
    tries BIGINT,
    tried DOUBLE,
    charged DOUBLE,
    shop STRING,
    charged_at TIMESTAMP(3)
) WITH (
    'connector' = 'print'
);

INSERT INTO suspicious
SELECT card, first_try, tries, tried, charged, shop, charged_at
FROM payments
    MATCH_RECOGNIZE (
        PARTITION BY card
        ORDER BY payment_time
        MEASURES
            FIRST(small.payment_time) AS first_try,
            COUNT(small.amount) AS tries,
            SUM(small.amount) AS tried,
            large.amount AS charged,
            large.shop AS shop,
            MATCH_ROWTIME() AS charged_at
        ONE ROW PER MATCH
        AFTER MATCH SKIP PAST LAST ROW
        PATTERN (small{2,} large) WITHIN INTERVAL '10' MINUTE
        DEFINE
            small AS small.amount < 10,
            large AS large.amount >= 500 AND large.shop <> LAST(small.shop)
    );
