-- What is known of the file of each row.
CREATE TABLE sales (
    id INT,
    file STRING METADATA FROM 'file.name' VIRTUAL,
    `file.path` STRING NOT NULL METADATA,
    size BIGINT METADATA FROM 'file.size',
    modified TIMESTAMP_LTZ(3) METADATA FROM 'file.modification-time' VIRTUAL,
    folder AS REGEXP_EXTRACT(`file.path`, 'ddl/(sales/.*)/', 1)
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json');
CREATE TABLE result (id INT, file STRING, size BIGINT, folder STRING, is_old BOOLEAN) WITH ('connector' = 'print');
INSERT INTO result SELECT id, file, size, folder, modified < TO_TIMESTAMP_LTZ(4102444800000, 3) FROM sales;
