-- The Yahoo streaming benchmark: how often the ads of each campaign were seen, in buckets of ten seconds of event time.
--
-- Events are JSON-like rows of which a third are views; an ad belongs to one of a hundred campaigns, as a table says that is
-- asked as events pass. A bucket's count is kept up to date, as the benchmark's key-value store expects: a changelog by campaign and bucket.

CREATE TABLE ad_events (
    user_id BIGINT,
    page_id BIGINT,
    ad_id BIGINT,
    kind INT,
    event_ms BIGINT,
    event_type AS CASE kind WHEN 0 THEN 'view' WHEN 1 THEN 'click' ELSE 'purchase' END,
    seen AS PROCTIME()
) WITH (
    'connector' = 'datagen',
    'rows-per-second' = '1000000000',
    'number-of-rows' = '10000000',
    'fields.user_id.min' = '0',
    'fields.user_id.max' = '99',
    'fields.page_id.min' = '0',
    'fields.page_id.max' = '99',
    'fields.ad_id.min' = '0',
    'fields.ad_id.max' = '999',
    'fields.kind.min' = '0',
    'fields.kind.max' = '2',
    'fields.event_ms.kind' = 'sequence',
    'fields.event_ms.start' = '1436918400000',
    'fields.event_ms.end' = '1436928399999'
);

CREATE TABLE campaigns (
    ad_id BIGINT,
    campaign_id BIGINT
) WITH (
    'connector' = 'filesystem',
    'path' = 'bench/yahoo/campaigns.csv',
    'format' = 'csv'
);

CREATE TABLE campaign_counts (
    campaign_id BIGINT,
    bucket_ms BIGINT,
    views BIGINT
) WITH ('connector' = 'blackhole');

INSERT INTO campaign_counts
SELECT c.campaign_id, e.event_ms - MOD(e.event_ms, 10000) AS bucket_ms, COUNT(*) AS views
FROM ad_events AS e
JOIN campaigns FOR SYSTEM_TIME AS OF e.seen AS c ON e.ad_id = c.ad_id
WHERE e.event_type = 'view'
GROUP BY c.campaign_id, e.event_ms - MOD(e.event_ms, 10000);
