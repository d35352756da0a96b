-- A file of Parquet by another writer: columns by name and some of them, other types that lose nothing, windows over its time.
CREATE TABLE orders (
    id BIGINT,
    `at` TIMESTAMP(3),
    price DECIMAL(10, 3),
    buyer ROW<tags ARRAY<STRING>, name STRING>,
    kind STRING,
    discount INT,
    WATERMARK FOR `at` AS `at`
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/parquet/orders.parquet', 'format' = 'parquet');
CREATE TABLE result (window_end TIMESTAMP(3), name STRING, ids BIGINT, total DECIMAL(38, 3), tags BIGINT, odd BIGINT, discounts BIGINT)
WITH ('connector' = 'print');
INSERT INTO result
SELECT window_end, buyer.name, SUM(id), SUM(price), SUM(CARDINALITY(buyer.tags)), COUNT(*) FILTER (WHERE kind = 'odd'), COUNT(discount)
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(`at`), INTERVAL '5' SECOND))
GROUP BY window_start, window_end, buyer.name;
