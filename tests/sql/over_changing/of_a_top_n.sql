-- The mean of the last two best offers, in the order of their time, while better ones come.
-- changes: in order
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (k STRING, id INT, mean BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT k, id, AVG(v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k, CASE WHEN id < 4 THEN 1 ELSE 2 END ORDER BY v DESC) AS n FROM orders)
WHERE n = 1;
