-- Rows stay in their windows, of hopping windows in each.
CREATE TABLE orders (
    id INT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, n INT>>, attributes MAP<STRING, STRING>, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json');
CREATE TABLE result (e TIMESTAMP(3), tag STRING, c BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_end, tag, COUNT(*)
FROM TABLE(HOP(TABLE orders, DESCRIPTOR(ts), INTERVAL '30' SECOND, INTERVAL '1' MINUTE)) CROSS JOIN UNNEST(tags) AS t (tag)
GROUP BY window_start, window_end, tag;
