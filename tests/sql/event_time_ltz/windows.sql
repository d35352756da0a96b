-- Of event time with a time zone, window_start and window_end are TIMESTAMP(3), window_time is TIMESTAMP_LTZ(3): JSON shows the Z.
CREATE TABLE clicks (
    id INT, ms BIGINT,
    ts TIMESTAMP_LTZ(3),
    WATERMARK FOR ts AS ts - INTERVAL '60' SECOND
) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/late/clicks.json', 'format' = 'json'
);
CREATE TABLE tumbled (window_start TIMESTAMP(3), window_end TIMESTAMP(3), window_time TIMESTAMP_LTZ(3), n BIGINT) WITH ('connector' = 'print');
CREATE TABLE hopped (window_end TIMESTAMP(3), window_time TIMESTAMP_LTZ(3), ids INT) WITH ('connector' = 'print');
CREATE TABLE grouped (w_start TIMESTAMP(3), w_time TIMESTAMP_LTZ(3), n BIGINT) WITH ('connector' = 'print');
CREATE TABLE again (window_start TIMESTAMP(3), window_time TIMESTAMP_LTZ(3), n BIGINT) WITH ('connector' = 'print');
CREATE TABLE assigned (id INT, window_time TIMESTAMP_LTZ(3), of_row STRING) WITH ('connector' = 'print');
CREATE VIEW minutes AS
SELECT window_start AS w_start, window_end AS w_end, window_time AS t, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, window_time;
EXECUTE STATEMENT SET BEGIN
INSERT INTO tumbled SELECT w_start, w_end, t, n FROM minutes;
INSERT INTO hopped
SELECT window_end, window_time, SUM(id)
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTES)) GROUP BY window_start, window_end, window_time;
INSERT INTO grouped
SELECT SESSION_START(ts, INTERVAL '20' SECOND), SESSION_ROWTIME(ts, INTERVAL '20' SECOND), COUNT(*)
FROM clicks GROUP BY SESSION(ts, INTERVAL '20' SECOND);
INSERT INTO again
SELECT window_start, window_time, SUM(n)
FROM TABLE(TUMBLE(TABLE minutes, DESCRIPTOR(t), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time;
INSERT INTO assigned
SELECT id, window_time, CAST(window_time AS STRING)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE id < 4 AND window_time > ts;
END;
