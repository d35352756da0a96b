-- A window needs rows that are only appended.
CREATE TABLE products (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/changes/products.json', 'format' = 'debezium-json'
);
CREATE TABLE result (n BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE products, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
