CREATE TABLE orders (id INT, `$op` INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM orders;
