CREATE TABLE orders (id BIGINT, buyer ROW<age STRING>)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/parquet/orders.parquet', 'format' = 'parquet');
CREATE TABLE result (age STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT buyer.age FROM orders;
