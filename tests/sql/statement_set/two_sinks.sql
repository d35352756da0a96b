-- One job with two results; the source is read once.
CREATE TABLE orders (id BIGINT, item STRING, quantity INT) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/statement_set/orders.json',
    'format' = 'json'
);
CREATE TABLE pens (id BIGINT, quantity INT) WITH ('connector' = 'print');
CREATE TABLE others (id BIGINT, item STRING) WITH ('connector' = 'print');
EXECUTE STATEMENT SET
BEGIN
    INSERT INTO pens SELECT id, quantity FROM orders WHERE item = 'pen';
    INSERT INTO others SELECT id, item FROM orders WHERE item <> 'pen';
END;
