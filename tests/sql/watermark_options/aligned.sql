-- Sources that keep together end all the same, and lose nothing: one of them has far more to say, and the other ends early.
CREATE TABLE bids (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json',
    'scan.watermark.alignment.group' = 'g', 'scan.watermark.alignment.max-drift' = '1 s',
    'scan.watermark.alignment.update-interval' = '100 ms', 'scan.watermark.idle-timeout' = '10 s'
);
CREATE TABLE clicks (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/late/clicks.json', 'format' = 'json',
    'scan.watermark.emit.strategy' = 'on-periodic',
    'scan.watermark.alignment.group' = 'g', 'scan.watermark.alignment.max-drift' = '1 s'
);
SET 'pipeline.batch-rows' = '1';
CREATE TABLE result (id INT, ts TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '{out}/result', 'format' = 'json');
INSERT INTO result SELECT * FROM bids UNION ALL SELECT * FROM clicks;
