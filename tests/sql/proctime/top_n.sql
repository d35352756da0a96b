-- The first two that come of each key, with their numbers, only append; then windows of the time at which those pass.
CREATE TABLE bids (id INT, auction INT, p AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE first_two (auction INT, n BIGINT, id INT) WITH ('connector' = 'filesystem', 'path' = '{out}/first_two', 'format' = 'json');
CREATE TABLE counts (auction INT, rows_in BIGINT) WITH ('connector' = 'print');
CREATE TABLE last_two (auction INT, id INT) WITH ('connector' = 'print');
CREATE VIEW firsts AS
SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY p ASC) AS n FROM bids) WHERE n <= 2;
EXECUTE STATEMENT SET BEGIN
INSERT INTO first_two SELECT auction, n, id FROM firsts;
INSERT INTO counts
SELECT auction, COUNT(*) FROM TABLE(TUMBLE(TABLE firsts, DESCRIPTOR(p), INTERVAL '36525' DAY)) GROUP BY auction, window_start, window_end;
INSERT INTO last_two
SELECT auction, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY p DESC) AS n FROM bids) WHERE n <= 2;
END;
