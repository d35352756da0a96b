-- A condition of the join.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (id INT, name STRING) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, name FROM orders JOIN UNNEST(items) AS i (name, n) ON n > id;
