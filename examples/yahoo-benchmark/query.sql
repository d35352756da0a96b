-- title: Yahoo streaming benchmark: Kafka and Redis
-- description: Counts how often the ads of each campaign were seen in windows of 10 seconds: ad events from Kafka, joined with their campaigns in Redis, counts written to Redis each second; script/demo yahoo runs it with servers and events.

SET 'execution.checkpointing.interval' = '10 s';

CREATE TABLE ad_events (
    user_id STRING,
    page_id STRING,
    ad_id STRING,
    ad_type STRING,
    event_type STRING,
    -- Milliseconds since 1970.
    event_time BIGINT,
    ip_address STRING,
    event_ts AS TO_TIMESTAMP_LTZ(event_time, 3),
    seen AS PROCTIME(),
    WATERMARK FOR event_ts AS event_ts - INTERVAL '1' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = 'ad-events',
    'properties.bootstrap.servers' = 'localhost:9092',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

-- The campaign of each ad: a string at the ad's id.
CREATE TABLE ads (
    ad_id STRING,
    campaign_id STRING,
    PRIMARY KEY (ad_id) NOT ENFORCED
) WITH (
    'connector' = 'redis',
    'url' = 'redis://localhost:6379',
    'data-type' = 'string',
    'lookup.cache' = 'PARTIAL',
    'lookup.partial-cache.max-rows' = '100000'
);

-- As the benchmark has it: a hash at the campaign's id, whose fields are the starts of windows and whose values are the keys of the windows'
-- own hashes. The benchmark keys these by random ids; here they are made of campaign and window, so that a window that is written again after
-- a failure is the same. Its list of a campaign's windows is left out for the same reason: the hash has them as its fields.
CREATE TABLE campaign_windows (
    campaign_id STRING,
    window_ms STRING,
    window_key STRING,
    PRIMARY KEY (campaign_id, window_ms) NOT ENFORCED
) WITH (
    'connector' = 'redis',
    'url' = 'redis://localhost:6379',
    'data-type' = 'hash',
    'hash.field-column' = 'window_ms'
);

-- A hash for each window of a campaign, with the fields seen_count and time_updated, in milliseconds since 1970.
CREATE TABLE window_counts (
    window_key STRING,
    seen_count BIGINT,
    time_updated BIGINT,
    PRIMARY KEY (window_key) NOT ENFORCED
) WITH (
    'connector' = 'redis',
    'url' = 'redis://localhost:6379',
    'data-type' = 'hash'
);

CREATE VIEW views AS
SELECT a.campaign_id, e.event_ts
FROM ad_events AS e
JOIN ads FOR SYSTEM_TIME AS OF e.seen AS a ON e.ad_id = a.ad_id
WHERE e.event_type = 'view';

-- Each second what has been counted of the window so far, as the benchmark writes it.
CREATE VIEW counts AS
SELECT campaign_id, CAST(UNIX_TIMESTAMP(DATE_FORMAT(window_start, 'yyyy-MM-dd HH:mm:ss')) * 1000 AS STRING) AS window_ms, COUNT(*) AS seen_count
FROM TABLE(CUMULATE(TABLE views, DESCRIPTOR(event_ts), INTERVAL '1' SECOND, INTERVAL '10' SECOND))
GROUP BY window_start, window_end, campaign_id;

EXECUTE STATEMENT SET BEGIN
    INSERT INTO campaign_windows
    SELECT campaign_id, window_ms, campaign_id || ':' || window_ms FROM counts;

    INSERT INTO window_counts
    SELECT
        campaign_id || ':' || window_ms,
        seen_count,
        UNIX_TIMESTAMP() * 1000 + CAST(DATE_FORMAT(CURRENT_TIMESTAMP, 'SSS') AS BIGINT)
    FROM counts;
END;
