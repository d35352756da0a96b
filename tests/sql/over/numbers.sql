-- Without a bound on the number; a filter on it is one like others.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, k STRING, number BIGINT, place BIGINT, dense BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, k, number, place, dense FROM (
    SELECT *, ROW_NUMBER() OVER w AS number, RANK() OVER w AS place, DENSE_RANK() OVER w AS dense
    FROM orders WINDOW w AS (PARTITION BY k ORDER BY ts)
) WHERE number <> 2;
