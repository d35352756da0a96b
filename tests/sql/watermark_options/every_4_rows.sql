-- A watermark with every four rows: rows 4 and 7 are counted, since those that bring a watermark come before it.
-- parallelism: 1
-- late rows: 0
CREATE TABLE clicks (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/late/clicks.json', 'format' = 'json',
    'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.emit.on-event.gap' = '4'
);
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT, last_id INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*), MAX(id)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
