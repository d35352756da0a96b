-- Without a table before it.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (n INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT n FROM UNNEST(ARRAY[3, 1, 2]) AS t (n) WHERE n > 1;
