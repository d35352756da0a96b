CREATE TABLE clicks (id INT, ts TIMESTAMP(3)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/late/clicks.json', 'format' = 'json',
    'scan.watermark.idle-timeout' = '1 s'
);
CREATE TABLE result (id INT) WITH ('connector' = 'print');
INSERT INTO result SELECT id FROM clicks;
