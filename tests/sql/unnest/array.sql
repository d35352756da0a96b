-- A row per element; none of an array that is empty or null, one of a null element.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (id INT, tag STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, tag FROM orders CROSS JOIN UNNEST(tags) AS t (tag);
