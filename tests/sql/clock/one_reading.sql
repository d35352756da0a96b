-- All functions of the clock give one reading, each as its own type; a batch has one.
CREATE TABLE bids (id INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (
    id INT, moments BOOLEAN, materialized BOOLEAN, wall BOOLEAN, days BOOLEAN, times BOOLEAN, seconds BOOLEAN, recent BOOLEAN
) WITH ('connector' = 'print');
INSERT INTO result
SELECT
    id,
    NOW() = CURRENT_TIMESTAMP AND CURRENT_TIMESTAMP = CURRENT_ROW_TIMESTAMP(),
    PROCTIME() = NOW(),
    CAST(NOW() AS TIMESTAMP(3)) = LOCALTIMESTAMP,
    CAST(LOCALTIMESTAMP AS DATE) = CURRENT_DATE,
    CURRENT_TIME = LOCALTIME AND CAST(LOCALTIMESTAMP AS TIME) = LOCALTIME,
    EXTRACT(EPOCH FROM NOW()) = UNIX_TIMESTAMP(),
    NOW() > TIMESTAMP '2024-03-01 10:00:00' AND UNIX_TIMESTAMP() > 1709287200 AND CURRENT_DATE > DATE '2024-03-01'
FROM bids;
