CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, SUM(v) OVER (PARTITION BY k) FROM orders;
