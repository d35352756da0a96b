-- The older spelling.
CREATE TABLE orders (id BIGINT, item STRING, quantity INT) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/statement_set/orders.json',
    'format' = 'json'
);
CREATE TABLE small (id BIGINT) WITH ('connector' = 'print');
CREATE TABLE large (id BIGINT) WITH ('connector' = 'print');
BEGIN STATEMENT SET;
INSERT INTO small SELECT id FROM orders WHERE quantity < 5;
INSERT INTO large SELECT id FROM orders WHERE quantity >= 5;
END;
