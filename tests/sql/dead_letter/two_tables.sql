-- Two tables send what they cannot read to one.
-- skipped records: 8
CREATE TABLE clicks (id INT, `user` STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/dead_letter/clicks.json',
    'format' = 'json',
    'dead-letter' = 'dead'
);
CREATE TABLE orders (id INT, name STRING, amount INT) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/dead_letter/orders.csv',
    'format' = 'csv',
    'dead-letter' = 'dead'
);
CREATE TABLE dead (source STRING, error STRING) WITH ('connector' = 'print');
CREATE TABLE result (id INT, name STRING, ts TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO result SELECT id, `user`, ts FROM clicks UNION ALL SELECT id, name, CAST(NULL AS TIMESTAMP(3)) FROM orders WHERE amount > 0;
