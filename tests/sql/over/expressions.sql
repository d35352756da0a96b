-- Keys, arguments and results that are computed.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, bucket INT, total BIGINT, share DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, MOD(id, 3), SUM(v * 2 + 1) OVER w, CAST(v AS DOUBLE) / NULLIF(SUM(ABS(v)) OVER w, 0)
FROM orders WHERE k IS NOT NULL WINDOW w AS (PARTITION BY MOD(id, 3), UPPER(k) ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW);
