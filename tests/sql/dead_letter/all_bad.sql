-- Nothing can be read: all of it goes elsewhere, and the job ends well.
-- skipped records: 5
CREATE TABLE numbers (amount DATE) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/dead_letter/orders.csv',
    'format' = 'csv',
    'dead-letter' = 'dead'
);
CREATE TABLE dead (error STRING) WITH ('connector' = 'print');
CREATE TABLE result (amount DATE) WITH ('connector' = 'print');
INSERT INTO result SELECT amount FROM numbers;
