-- A watermark with every row, however many come in a batch.
-- parallelism: 1
-- late rows: 2
CREATE TABLE clicks (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/late/clicks.json', 'format' = 'json',
    'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.emit.on-event.gap' = '1'
);
CREATE TABLE result (window_start TIMESTAMP(3), n BIGINT, last_id INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, COUNT(*), MAX(id)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
