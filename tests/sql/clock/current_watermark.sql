-- Null before the first watermark, then the one that came before the row. The watermark comes with every row.
-- checkpoints: none, because the watermark of a row depends on how rows are batched
CREATE TABLE clicks (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/late/clicks.json', 'format' = 'json'
);
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE result (id INT, ts TIMESTAMP(3), wm TIMESTAMP(3), is_late BOOLEAN) WITH ('connector' = 'print');
CREATE VIEW v AS SELECT id, ts AS event_time FROM clicks;
INSERT INTO result
SELECT id, event_time, CURRENT_WATERMARK(event_time), event_time <= CURRENT_WATERMARK(event_time) FROM v;
