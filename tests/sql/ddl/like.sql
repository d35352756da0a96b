-- All of another table, an option of its own, and event time.
CREATE TABLE nowhere (
    id INT, k STRING, twice AS id * 2, ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = '/nowhere', 'format' = 'json');
CREATE TABLE orders (
    WATERMARK FOR ts AS ts
) WITH ('path' = 'tests/sql/unnest/orders.json') LIKE nowhere;
CREATE TABLE result (w TIMESTAMP(3), s INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_start, SUM(twice) FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
