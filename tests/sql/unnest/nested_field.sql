-- An array within a ROW, and one within the rows of another.
CREATE TABLE orders (id INT, payload ROW<lines ARRAY<ROW<name STRING, parts ARRAY<INT>>>>) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/unnest/payloads.json', 'format' = 'json'
);
CREATE TABLE result (id INT, name STRING, part INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id, l.name, p.part FROM orders AS o CROSS JOIN UNNEST(o.payload.lines) AS l LEFT JOIN UNNEST(l.parts) AS p (part) ON TRUE;
