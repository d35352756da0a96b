-- A row that changes takes its elements back and gives new ones.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (n INT, tag STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT n, tag FROM (SELECT tag AS first_tag, MAX(id) AS n FROM orders CROSS JOIN UNNEST(tags) AS t (tag) GROUP BY tag)
CROSS JOIN UNNEST(ARRAY[first_tag, CAST(n AS STRING)]) AS t (tag);
