-- Casts of the clock as event time: sorting, deduplication, an interval join and windows take it.
CREATE TABLE bids (
    id INT, auction INT,
    ts AS CAST(CURRENT_TIMESTAMP AS TIMESTAMP(3)),
    WATERMARK FOR ts AS ts - INTERVAL '0.001' SECOND
) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE again (
    id INT, auction INT, price INT,
    ts AS LOCALTIMESTAMP,
    WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE sorted (id INT, recent BOOLEAN) WITH ('connector' = 'filesystem', 'path' = '{out}/sorted', 'format' = 'json');
CREATE TABLE firsts (auction INT, id INT) WITH ('connector' = 'print');
CREATE TABLE pairs (id INT, price INT) WITH ('connector' = 'filesystem', 'path' = '{out}/pairs', 'format' = 'json');
CREATE TABLE windows (n BIGINT) WITH ('connector' = 'print');
EXECUTE STATEMENT SET BEGIN
INSERT INTO sorted SELECT id, ts > TIMESTAMP '2024-03-01 10:00:00' FROM bids ORDER BY ts, id;
INSERT INTO firsts
SELECT auction, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY ts) AS n FROM bids) WHERE n = 1;
INSERT INTO pairs
SELECT a.id, b.price FROM bids a JOIN again b ON a.id = b.id AND a.ts BETWEEN b.ts - INTERVAL '1' DAY AND b.ts + INTERVAL '1' DAY;
INSERT INTO windows
SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE again, DESCRIPTOR(ts), INTERVAL '36525' DAY)) GROUP BY window_start, window_end;
END;
