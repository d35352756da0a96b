CREATE TABLE orders (id INT, price INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM orders UNION ALL SELECT id, price FROM orders;
