-- The most clicks of a country in each hopping window: windows are grouped again.
CREATE TABLE clicks (
    `user` STRING,
    country STRING,
    ms INT,
    ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '30' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/tumble/clicks.json',
    'format' = 'json'
);
CREATE TABLE result (starttime TIMESTAMP(3), endtime TIMESTAMP(3), most BIGINT, countries BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT starttime, endtime, MAX(num), COUNT(*)
FROM (
    SELECT country, COUNT(*) AS num, window_start AS starttime, window_end AS endtime
    FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTES))
    GROUP BY country, window_start, window_end
)
GROUP BY starttime, endtime;
