-- Rows with their windows.
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
CREATE TABLE result (`user` STRING, ms INT, days INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT `user`, ms, CAST(EXTRACT(YEAR FROM window_start) AS INT)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(p), INTERVAL '36525' DAY));
