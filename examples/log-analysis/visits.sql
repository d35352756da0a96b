-- Makes up an access log in Kafka for query.sql: visits of now, each up to 4 seconds late.

CREATE TABLE made (
    visitor INT,
    place INT,
    page INT,
    outcome INT,
    late_s INT
) WITH (
    'connector' = 'datagen',
    'rows-per-second' = '500',
    'fields.visitor.min' = '0',
    'fields.visitor.max' = '9999',
    'fields.place.min' = '0',
    'fields.place.max' = '46',
    'fields.page.min' = '0',
    'fields.page.max' = '5',
    'fields.outcome.min' = '0',
    'fields.outcome.max' = '99',
    'fields.late_s.min' = '0',
    'fields.late_s.max' = '4'
);

CREATE TABLE access_log (
    event_time TIMESTAMP(3),
    ip STRING,
    country STRING,
    path STRING,
    status INT
) WITH (
    'connector' = 'kafka',
    'topic' = 'access-log',
    'properties.bootstrap.servers' = 'localhost:9092',
    'format' = 'json'
);

INSERT INTO access_log
SELECT
    TIMESTAMPADD(SECOND, 0 - late_s, LOCALTIMESTAMP),
    '10.0.' || CAST(visitor / 256 AS STRING) || '.' || CAST(MOD(visitor, 256) AS STRING),
    CASE
        WHEN place < 12 THEN 'US' WHEN place < 21 THEN 'DE' WHEN place < 29 THEN 'IN' WHEN place < 35 THEN 'FR'
        WHEN place < 40 THEN 'JP' WHEN place < 44 THEN 'BR' WHEN place < 46 THEN 'KE' ELSE 'NZ'
    END,
    CASE page WHEN 0 THEN '/' WHEN 1 THEN '/pricing' WHEN 2 THEN '/docs' WHEN 3 THEN '/docs/install' WHEN 4 THEN '/blog' ELSE '/search' END,
    CASE WHEN outcome < 90 THEN 200 WHEN outcome < 96 THEN 304 WHEN outcome < 99 THEN 404 ELSE 500 END
FROM made;
