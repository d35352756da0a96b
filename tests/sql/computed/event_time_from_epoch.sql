-- Event time from epoch milliseconds, as most topics carry it.
CREATE TABLE events (
    id INT,
    ms BIGINT,
    ts AS TO_TIMESTAMP_LTZ(ms, 3),
    WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/computed/epochs.json',
    'format' = 'json'
);
CREATE TABLE result (window_start TIMESTAMP(3), events BIGINT, last INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*), MAX(id)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
