-- The one catalog may be said, tables may go and come again, and settings be set back.
USE CATALOG default_catalog;
USE default_database;
SET 'pipeline.batch-rows' = '1';
RESET 'pipeline.batch-rows';
DROP TABLE IF EXISTS orders;
CREATE TEMPORARY TABLE IF NOT EXISTS default_catalog.default_database.orders (
    id INT COMMENT 'its number', customer INT, item STRING, price DECIMAL(10, 2)
) COMMENT 'all orders' WITH ('connector' = 'filesystem', 'path' = 'tests/sql/join/orders.json', 'format' = 'json');
CREATE TEMPORARY VIEW IF NOT EXISTS default_database.teas COMMENT 'some' AS
SELECT o.id, default_catalog.default_database.o.item FROM default_catalog.default_database.orders AS o WHERE item = 'tea';
CREATE TABLE result (id INT, item STRING) WITH ('connector' = 'print');
INSERT INTO default_database.result SELECT id, item FROM default_database.teas;
DROP VIEW teas;
DROP TEMPORARY TABLE orders;
CREATE TABLE orders (id INT, name STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/join/customers.json', 'format' = 'json'
);
INSERT INTO result SELECT id, name FROM orders WHERE id > 11;
RESET;
