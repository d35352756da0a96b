-- The time column is made in a view, as Nexmark does; no column is read.
CREATE TABLE clicks (
    `user` STRING,
    country STRING,
    ms INT,
    p AS PROCTIME()
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/tumble/clicks.json',
    'format' = 'json'
);
CREATE TABLE result (clicks BIGINT) WITH ('connector' = 'print');
CREATE VIEW timed AS SELECT *, PROCTIME() AS p_time FROM clicks WHERE ms > 55;
INSERT INTO result
SELECT COUNT(*)
FROM TABLE(TUMBLE(TABLE timed, DESCRIPTOR(p_time), INTERVAL '36525' DAY))
GROUP BY window_start, window_end;
