-- A row of overlapping windows is late when all of them have fired. What is read only of late rows is carried past the filter and the key.
-- parallelism: 1
-- late rows: 2
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE visits (id INT, `user` STRING, page ROW<host STRING, path STRING>, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'late.sink' = 'late',
    'connector' = 'filesystem',
    'path' = 'tests/sql/late_sink/visits.json',
    'format' = 'json'
);
CREATE TABLE late (id INT, amount INT, late_by BIGINT) WITH ('connector' = 'print');
CREATE TABLE result (host STRING, window_end TIMESTAMP(3), n BIGINT, mean DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT UPPER(page.host), window_end, COUNT(*), AVG(CAST(id AS DOUBLE))
FROM TABLE(HOP(TABLE visits, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '40' SECOND))
WHERE id <> 1
GROUP BY UPPER(page.host), window_start, window_end;
