-- No key, and windows that begin 30 seconds later.
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
CREATE TABLE result (window_start TIMESTAMP(3), window_end TIMESTAMP(3), clicks BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, window_end, COUNT(*)
FROM TABLE(CUMULATE(
    DATA => TABLE clicks, TIMECOL => DESCRIPTOR(ts), STEP => INTERVAL '1' MINUTE, SIZE => INTERVAL '2' MINUTES,
    `OFFSET` => INTERVAL '30' SECOND))
GROUP BY window_start, window_end;
