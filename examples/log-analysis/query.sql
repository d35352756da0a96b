-- title: Log analysis: Kafka to Redis
-- description: Counts visits and visitors of a web site per country in 5-minute windows, out of an access log in Kafka, and keeps the counts in Redis up to date; script/demo log-analysis runs it with servers and a log.

SET 'execution.checkpointing.interval' = '10 s';

CREATE TABLE access_log (
    event_time TIMESTAMP(3),
    ip STRING,
    country STRING,
    path STRING,
    status INT,
    -- A line may come this much later than a younger one and still be counted.
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = 'access-log',
    'properties.bootstrap.servers' = 'localhost:9092',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

-- A hash for each country and window, such as visitors:DE:2024-05-01T08:05, with the fields counted_until, visits and visitors.
CREATE TABLE visitors (
    country STRING,
    window_start STRING,
    counted_until STRING,
    visits BIGINT,
    visitors BIGINT,
    PRIMARY KEY (country, window_start) NOT ENFORCED
) WITH (
    'connector' = 'redis',
    'url' = 'redis://localhost:6379',
    'data-type' = 'hash',
    'key.prefix' = 'visitors:',
    'ttl' = '1 d'
);

-- Every 5 seconds what has been counted of the window so far; after 5 minutes it is whole.
INSERT INTO visitors
SELECT
    country,
    DATE_FORMAT(window_start, 'yyyy-MM-dd''T''HH:mm'),
    DATE_FORMAT(window_end, 'HH:mm:ss'),
    COUNT(*),
    COUNT(DISTINCT ip)
FROM TABLE(CUMULATE(TABLE access_log, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '5' MINUTE))
WHERE status < 400
GROUP BY window_start, window_end, country;
