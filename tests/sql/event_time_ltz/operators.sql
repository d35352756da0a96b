-- Sorting, deduplication, Top-N by window, and joins of intervals and of windows.
CREATE TABLE clicks (
    id INT, ms BIGINT,
    ts TIMESTAMP_LTZ(3),
    WATERMARK FOR ts AS ts - INTERVAL '60' SECOND
) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/late/clicks.json', 'format' = 'json'
);
CREATE TABLE other (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '60' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/late/clicks.json', 'format' = 'json'
);
CREATE TABLE sorted (id INT, ts TIMESTAMP_LTZ(3)) WITH ('connector' = 'filesystem', 'path' = '{out}/sorted', 'format' = 'json');
CREATE TABLE lasts (parity INT, id INT, ts TIMESTAMP_LTZ(3)) WITH ('connector' = 'print');
CREATE TABLE tops (window_time TIMESTAMP_LTZ(3), id INT) WITH ('connector' = 'filesystem', 'path' = '{out}/tops', 'format' = 'json');
CREATE TABLE pairs (a INT, b INT, ts TIMESTAMP_LTZ(3)) WITH ('connector' = 'filesystem', 'path' = '{out}/pairs', 'format' = 'json');
CREATE TABLE joined (a INT, b INT, window_time TIMESTAMP_LTZ(3)) WITH ('connector' = 'filesystem', 'path' = '{out}/joined', 'format' = 'json');
EXECUTE STATEMENT SET BEGIN
INSERT INTO sorted SELECT id, ts FROM clicks ORDER BY ts;
INSERT INTO lasts
SELECT id % 2, id, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY id % 2 ORDER BY ts DESC) AS n FROM clicks) WHERE n = 1;
INSERT INTO tops
SELECT window_time, id FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY id DESC) AS n
    FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
) WHERE n <= 1;
INSERT INTO pairs
SELECT a.id, b.id, a.ts FROM clicks a JOIN other b ON a.ts BETWEEN b.ts + INTERVAL '1' SECOND AND b.ts + INTERVAL '15' SECOND;
INSERT INTO joined
SELECT a.id, b.id, a.window_time
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) a
JOIN TABLE(TUMBLE(TABLE other, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) b
ON a.window_start = b.window_start AND a.window_end = b.window_end AND a.id = b.id + 1;
END;
