-- Each file is a split with a watermark of its own: no row is late, in whatever order files are read.
CREATE TABLE days (`day` INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/folder/days',
    'format' = 'json'
);
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT, least INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*), MIN(`day`)
FROM TABLE(TUMBLE(TABLE days, DESCRIPTOR(ts), INTERVAL '1' DAY))
GROUP BY window_start, window_end;
