-- Operators of many kinds, whose state old savepoints have: all/ holds some, of which each is gone on with.
CREATE TABLE events (id INT, k STRING, v INT, t TIMESTAMP(3), WATERMARK FOR t AS t - INTERVAL '2' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/savepoints/events.json', 'format' = 'json'
);
CREATE TABLE others (id INT, k STRING, v INT, t TIMESTAMP(3)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/savepoints/events.json', 'format' = 'json'
);
CREATE TABLE groups (k STRING, n BIGINT, total INT, mean INT, least INT, kinds BIGINT, listed STRING) WITH ('connector' = 'print');
CREATE TABLE windows (k STRING, window_end TIMESTAMP(3), n BIGINT, most INT, kinds BIGINT) WITH ('connector' = 'print');
CREATE TABLE sessions (k STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), total INT) WITH ('connector' = 'print');
CREATE TABLE pairs (id INT, other INT) WITH ('connector' = 'print');
CREATE TABLE best (k STRING, id INT, v INT, place BIGINT) WITH ('connector' = 'print');
CREATE TABLE running (id INT, k STRING, total INT, n BIGINT, kinds BIGINT, recent INT) WITH ('connector' = 'print');

INSERT INTO groups
SELECT k, COUNT(*), SUM(v), AVG(v), MIN(v), COUNT(DISTINCT v), LISTAGG(CASE WHEN id > 900 THEN 'x' END) FROM events GROUP BY k;

INSERT INTO windows
SELECT k, window_end, COUNT(*), MAX(v), COUNT(DISTINCT v)
FROM TABLE(HOP(TABLE events, DESCRIPTOR(t), INTERVAL '20' SECOND, INTERVAL '60' SECOND))
GROUP BY k, window_start, window_end;

INSERT INTO sessions
SELECT k, window_start, window_end, SUM(v)
FROM TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(t), INTERVAL '4' SECOND))
GROUP BY k, window_start, window_end;

INSERT INTO pairs
SELECT a.id, b.id FROM events AS a JOIN others AS b ON a.k = b.k AND a.v = b.v AND a.id <> b.id;

INSERT INTO best
SELECT k, id, v, place
FROM (SELECT k, id, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, id) AS place FROM events) AS ranked
WHERE place <= 3;

INSERT INTO running
SELECT id, k,
    SUM(v) OVER (PARTITION BY k ORDER BY t),
    COUNT(*) OVER (PARTITION BY k ORDER BY t),
    COUNT(DISTINCT v) OVER (PARTITION BY k ORDER BY t),
    SUM(v) OVER (PARTITION BY k ORDER BY t ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)
FROM events;
