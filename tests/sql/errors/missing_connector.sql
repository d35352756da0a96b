CREATE TABLE orders (id BIGINT) WITH ('path' = 'tests/sql/errors/orders.json');
CREATE TABLE result (id BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM orders;
