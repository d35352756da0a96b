-- Each row twice, by an array: what is late comes as often.
-- parallelism: 1
-- late rows: 4
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'late.sink' = 'late',
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE late (id INT, amount INT, late_by BIGINT) WITH ('connector' = 'print');
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT, ids BIGINT) WITH ('connector' = 'print');
CREATE VIEW doubled AS SELECT ts, i FROM visits CROSS JOIN UNNEST(ARRAY[id, id * 10]) AS u (i);
INSERT INTO result
SELECT window_start, COUNT(*), SUM(CAST(i AS BIGINT))
FROM TABLE(TUMBLE(TABLE doubled, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
