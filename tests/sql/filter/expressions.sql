-- Arithmetic, casts and string functions in a projection.
CREATE TABLE orders (id BIGINT, customer STRING, item STRING, quantity INT, price DOUBLE) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/filter/orders.json',
    'format' = 'json'
);
CREATE TABLE result (
    id BIGINT,
    total DOUBLE,
    half INT,
    rest INT,
    words STRING,
    letters INT,
    text_id STRING
) WITH ('connector' = 'print');
INSERT INTO result
SELECT
    id,
    quantity * price,
    quantity / 2,
    quantity % 2,
    customer || ' buys ' || LOWER(item),
    CHAR_LENGTH(customer),
    CAST(id AS STRING)
FROM orders
WHERE id <= 6;
