-- Makes up ad events in Kafka for query.sql: of now, a third of them views, of the ads that ads.sql writes.

CREATE TABLE made (
    user_number INT,
    page_number INT,
    ad_number INT,
    ad_kind INT,
    event_kind INT
) WITH (
    'connector' = 'datagen',
    'rows-per-second' = '10000',
    'fields.user_number.min' = '0',
    'fields.user_number.max' = '99',
    'fields.page_number.min' = '0',
    'fields.page_number.max' = '99',
    'fields.ad_number.min' = '0',
    'fields.ad_number.max' = '999',
    'fields.ad_kind.min' = '0',
    'fields.ad_kind.max' = '4',
    'fields.event_kind.min' = '0',
    'fields.event_kind.max' = '2'
);

CREATE TABLE ad_events (
    user_id STRING,
    page_id STRING,
    ad_id STRING,
    ad_type STRING,
    event_type STRING,
    event_time STRING,
    ip_address STRING
) WITH (
    'connector' = 'kafka',
    'topic' = 'ad-events',
    'properties.bootstrap.servers' = 'localhost:9092',
    'format' = 'json'
);

INSERT INTO ad_events
SELECT
    MD5('user ' || CAST(user_number AS STRING)),
    MD5('page ' || CAST(page_number AS STRING)),
    MD5('ad ' || CAST(ad_number AS STRING)),
    CASE ad_kind WHEN 0 THEN 'banner' WHEN 1 THEN 'modal' WHEN 2 THEN 'sponsored-search' WHEN 3 THEN 'mail' ELSE 'mobile' END,
    CASE event_kind WHEN 0 THEN 'view' WHEN 1 THEN 'click' ELSE 'purchase' END,
    CAST(UNIX_TIMESTAMP() * 1000 + CAST(DATE_FORMAT(CURRENT_TIMESTAMP, 'SSS') AS BIGINT) AS STRING),
    '1.2.3.4'
FROM made;
