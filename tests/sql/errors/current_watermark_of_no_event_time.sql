CREATE TABLE clicks (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/late/clicks.json', 'format' = 'json'
);
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT id FROM (SELECT id, ts + INTERVAL '1' SECOND AS later FROM clicks) WHERE later > CURRENT_WATERMARK(later);
