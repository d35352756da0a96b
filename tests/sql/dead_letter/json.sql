-- Lines that are no JSON, or have a value that its column cannot hold, go elsewhere; time goes on with the others alone.
-- Of the row whose id is no number only the other columns are read.
-- skipped records: 4
CREATE TABLE clicks (id INT, `user` STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/dead_letter/clicks.json',
    'format' = 'json',
    'dead-letter' = 'dead'
);
CREATE TABLE dead (record STRING, error STRING, place STRING, source STRING) WITH ('connector' = 'print');
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
