-- Maps made of values, arrays and maps.
CREATE TABLE sales (
    shop STRING, item STRING, n INT, price DECIMAL(10, 2), rate DOUBLE, ok BOOLEAN, `day` DATE, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/aggregate_functions/sales.json', 'format' = 'json');
CREATE TABLE result (shop STRING, a MAP<STRING, INT>, b MAP<STRING, INT>, c MAP<STRING, INT>, d ARRAY<ROW<k STRING, v INT>>, e INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT shop, MAP['x', n, 'y', 2], MAP_FROM_ARRAYS(ARRAY['p', shop], ARRAY[n, 9]), MAP_UNION(MAP['x', 1], MAP['y', n, 'x', 3]), MAP_ENTRIES(MAP[shop, n]), MAP['x', n]['x'] FROM sales WHERE ts < TIMESTAMP '2024-01-01 10:00:31';
