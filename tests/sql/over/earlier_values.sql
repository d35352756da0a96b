-- LAG counts rows, whatever the frame; FIRST_VALUE and LAST_VALUE leave nulls out.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, k STRING, one BIGINT, two BIGINT, two_or_id BIGINT, first_v BIGINT, last_s STRING, last_v BIGINT, zero BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, k, LAG(v) OVER w, LAG(v, 2) OVER w, LAG(v, 2, id) OVER w, FIRST_VALUE(v) OVER w,
       LAST_VALUE(s) OVER (PARTITION BY k ORDER BY ts ROWS UNBOUNDED PRECEDING), LAST_VALUE(v) OVER w, LAG(v, 0) OVER w
FROM orders WINDOW w AS (PARTITION BY k ORDER BY ts);
