CREATE TABLE orders (
    id BIGINT,
    ts TIMESTAMP(3),
    WATERMARK FOR tss AS ts - INTERVAL '5' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/errors/orders.json',
    'format' = 'json'
);
CREATE TABLE result (id BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM orders;
