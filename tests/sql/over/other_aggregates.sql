-- Aggregates without column code for frames, of all rows before and of the last two.
SET 'pipeline.auto-watermark-interval' = '0';
SET 'pipeline.batch-rows' = '1';
CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, k STRING, texts STRING, two STRING, vs ARRAY<BIGINT>, two_vs ARRAY<BIGINT>, spread DOUBLE, both BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, k, LISTAGG(s, '/') OVER w, LISTAGG(s) OVER last_two, ARRAY_AGG(v) OVER w, ARRAY_AGG(DISTINCT v) OVER last_two,
       VAR_POP(CAST(v AS DOUBLE)) OVER last_two, COUNT(DISTINCT v, s) OVER w
FROM orders
WINDOW w AS (PARTITION BY k ORDER BY ts), last_two AS (PARTITION BY k ORDER BY ts ROWS 1 PRECEDING);
