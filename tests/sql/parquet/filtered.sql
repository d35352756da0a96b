-- Row groups that the filter leaves nothing of are not read; of the others the rows that it keeps come out.
CREATE TABLE orders (id BIGINT, kind STRING, stock MAP<STRING, BIGINT>, `file.name` STRING METADATA VIRTUAL)
WITH ('connector' = 'filesystem', 'path' = 'tests/sql/parquet', 'source.path.regex-pattern' = '.*\.parquet', 'format' = 'parquet');
CREATE TABLE result (id BIGINT, file STRING, here BIGINT, there BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, `file.name`, stock['here'], stock['there'] FROM orders WHERE id > 17 AND 23 >= id AND kind = 'odd';
