-- Any expression over the columns before it; without an alias for the column, the table's name is the column's.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (id INT, tag STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, tag FROM orders CROSS JOIN UNNEST(ARRAY[CONCAT('#', CAST(id AS STRING)), tags[1]]) AS tag;
