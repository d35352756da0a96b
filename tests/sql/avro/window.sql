-- A file of Avro by another writer: columns by name and some of them, an INT as BIGINT, windows over its time.
CREATE TABLE orders (
    id BIGINT NOT NULL,
    `at` TIMESTAMP(3),
    price DECIMAL(10, 2),
    buyer ROW<tags ARRAY<STRING>, name STRING>,
    discount INT,
    WATERMARK FOR `at` AS `at`
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/avro/orders.avro', 'format' = 'avro');
CREATE TABLE result (window_end TIMESTAMP(3), name STRING, ids BIGINT, total DECIMAL(38, 2), tags BIGINT, discounts BIGINT)
WITH ('connector' = 'print');
INSERT INTO result
SELECT window_end, buyer.name, SUM(id), SUM(price), SUM(CARDINALITY(buyer.tags)), COUNT(discount)
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(`at`), INTERVAL '5' SECOND))
GROUP BY window_start, window_end, buyer.name;
