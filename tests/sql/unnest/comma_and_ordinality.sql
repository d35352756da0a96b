-- The place of each element, from 1, and conditions on both sides.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (id INT, tag STRING, `position` INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT o.id, t.tag, t.`position` FROM orders AS o, UNNEST(o.tags) WITH ORDINALITY AS t (tag, `position`) WHERE t.`position` > 1 AND o.id < 5;
