-- A record may have several lines, and goes on where the next one begins. Bytes as they were.
-- skipped records: 3
CREATE TABLE orders (id INT, name STRING, amount INT) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/dead_letter/orders.csv',
    'format' = 'csv',
    'dead-letter' = 'dead'
);
CREATE TABLE dead (source STRING, record BYTES, error STRING) WITH ('connector' = 'print');
CREATE TABLE result (id INT, name STRING, amount INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id, name, amount FROM orders;
