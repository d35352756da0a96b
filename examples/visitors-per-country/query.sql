-- title: Visitors per country
-- description: Counts the visits in an access log per country in 5-minute windows; the log's lines are up to 30 seconds out of order.

CREATE TABLE access_log (
    event_time TIMESTAMP(3),
    country STRING,
    status INT,
    -- A line may come this much later than a younger one and still be counted.
    WATERMARK FOR event_time AS event_time - INTERVAL '30' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/visitors-per-country/access-log.json',
    'format' = 'json'
);

CREATE TABLE visitors_per_country (
    window_start TIMESTAMP(3),
    window_end TIMESTAMP(3),
    country STRING,
    visits BIGINT,
    worst_status INT
) WITH (
    'connector' = 'print'
);

INSERT INTO visitors_per_country
SELECT window_start, window_end, country, COUNT(*), MAX(status)
FROM TABLE(TUMBLE(TABLE access_log, DESCRIPTOR(event_time), INTERVAL '5' MINUTE))
GROUP BY window_start, window_end, country;
