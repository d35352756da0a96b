CREATE TABLE orders (id BIGINT) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/errors/no_such_file.json',
    'format' = 'json'
);
CREATE TABLE result (id BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM orders;
