-- Rows are there though nothing in them is read.
CREATE TABLE sales (id INT, file STRING METADATA FROM 'file.name') WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json'
);
CREATE TABLE result (file STRING, c BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT file, COUNT(*) FROM sales GROUP BY file;
