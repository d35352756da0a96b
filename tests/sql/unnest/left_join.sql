-- Rows without elements stay, with nulls.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (id INT, tag STRING, `position` INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, tag, `position` FROM orders LEFT JOIN UNNEST(tags) WITH ORDINALITY AS t (tag, `position`) ON TRUE;
