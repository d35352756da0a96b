CREATE TABLE bids (id INT, auction INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (n INT) WITH ('connector' = 'print');
INSERT INTO result SELECT RAND_INTEGER(7, auction - 1) FROM bids WHERE id < 2;
