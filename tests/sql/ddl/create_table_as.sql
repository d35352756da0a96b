-- The table has the columns of the query.
CREATE TABLE orders (id INT, customer INT, item STRING, price DECIMAL(10, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json'
);
CREATE TABLE result WITH ('connector' = 'print') AS SELECT item, COUNT(*) AS n, SUM(price) AS total FROM orders GROUP BY item;
