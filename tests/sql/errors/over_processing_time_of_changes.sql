CREATE TABLE orders (id INT, k STRING, v BIGINT, s STRING, ts TIMESTAMP(3), p AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/over/orders.json', 'format' = 'json'
);
CREATE TABLE result (id INT, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT 1, COUNT(*) OVER (ORDER BY p) FROM (SELECT *, PROCTIME() AS p FROM (SELECT k, COUNT(*) AS n FROM orders GROUP BY k));
