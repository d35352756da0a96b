-- What is aggregated may ask for the window that the row is in.
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
CREATE TABLE result (window_end TIMESTAMP(3), clicks BIGINT, late_half BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_end, COUNT(*), SUM(CASE WHEN ts >= window_start + INTERVAL '1' MINUTE THEN CAST(1 AS BIGINT) ELSE 0 END)
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTES))
GROUP BY window_start, window_end;
