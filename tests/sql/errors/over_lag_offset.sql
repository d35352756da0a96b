CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, LAG(v, id) OVER (PARTITION BY k ORDER BY ts) FROM orders;
