-- Writes the campaigns of 1,000 ads to Redis for query.sql: 100 campaigns with 10 ads each.

CREATE TABLE made (n BIGINT) WITH (
    'connector' = 'datagen',
    'fields.n.kind' = 'sequence',
    'fields.n.start' = '0',
    'fields.n.end' = '999'
);

CREATE TABLE ads (
    ad_id STRING,
    campaign_id STRING,
    PRIMARY KEY (ad_id) NOT ENFORCED
) WITH (
    'connector' = 'redis',
    'url' = 'redis://localhost:6379',
    'data-type' = 'string'
);

INSERT INTO ads
SELECT MD5('ad ' || CAST(n AS STRING)), MD5('campaign ' || CAST(n / 10 AS STRING)) FROM made;
