-- Constant rows with names; types widen over the rows; a filter and expressions above them.
CREATE TABLE result (id BIGINT, name STRING, price DECIMAL(10, 2), `at` TIMESTAMP(3), ok BOOLEAN) WITH ('connector' = 'print');
INSERT INTO result
SELECT id * 10, UPPER(name), price, `at`, ok
FROM (VALUES
    (1, 'apple', 1.5, TIMESTAMP '2024-03-01 10:00:00', TRUE),
    (2, 'pear', 20.25, TIMESTAMP '2024-03-01 10:00:00.125', FALSE),
    (3, CAST(NULL AS STRING), 0.0, CAST(NULL AS TIMESTAMP(3)), 1 > 2),
    (4, 'skipped', 9.99, NULL, NULL)
) AS t (id, name, price, `at`, ok)
WHERE id < 4;
