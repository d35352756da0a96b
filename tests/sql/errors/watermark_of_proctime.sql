CREATE TABLE clicks (id INT, p AS PROCTIME(), WATERMARK FOR p AS p) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/late/clicks.json', 'format' = 'json'
);
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM clicks;
