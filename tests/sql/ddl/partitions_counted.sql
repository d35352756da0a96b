-- Rows are counted though only folders are read.
CREATE TABLE sales (id INT, amount INT, `day` STRING, country STRING) PARTITIONED BY (`day`, country) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json'
);
CREATE TABLE result (`day` STRING, c BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT `day`, COUNT(*) FROM sales GROUP BY `day`;
