-- Columns of its own come first, and another type of one takes the value.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE result (note STRING, id BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'print')
AS SELECT item, id FROM orders WHERE id < 3;
