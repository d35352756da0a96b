-- The folders say the values of columns, of their types.
CREATE TABLE sales (id INT, amount INT, `day` DATE, country STRING) PARTITIONED BY (`day`, country) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json'
);
CREATE TABLE result (id INT, `day` DATE, country STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, `day`, country FROM sales WHERE `day` > DATE '2024-01-01' OR amount < 20;
