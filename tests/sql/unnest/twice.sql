-- Each array with each element of another one, and a join behind both.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (id INT, tag STRING, name STRING, first_id INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT o.id, tag, name, p.id FROM orders AS o CROSS JOIN UNNEST(o.tags) AS t (tag) CROSS JOIN UNNEST(o.items) AS i (name, n)
JOIN orders AS p ON p.id = i.n;
