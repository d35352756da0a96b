-- Two queries read the table at once: what it cannot read comes once.
-- skipped records: 5
CREATE TABLE clicks (id INT, `user` STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/dead_letter/clicks.json',
    'format' = 'json',
    'dead-letter' = 'dead'
);
CREATE TABLE dead (record STRING) WITH ('connector' = 'print');
CREATE TABLE evens (id INT) WITH ('connector' = 'print');
CREATE TABLE users (`user` STRING, ts TIMESTAMP(3)) WITH ('connector' = 'print');
EXECUTE STATEMENT SET BEGIN
INSERT INTO evens SELECT id FROM clicks WHERE MOD(id, 2) = 0;
INSERT INTO users SELECT `user`, ts FROM clicks;
END;
