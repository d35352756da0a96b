-- Read as a value, the time at which a row passes is a TIMESTAMP_LTZ(3): in SELECT, in expressions, through a view and a union.
CREATE TABLE bids (id INT, p AS PROCTIME(), local_p AS CAST(PROCTIME() AS TIMESTAMP(3))) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE VIEW timed AS SELECT id, p AS passed, PROCTIME() AS p2, local_p FROM bids;
CREATE TABLE moments (id INT, p TIMESTAMP_LTZ(3), l TIMESTAMP(3)) WITH ('connector' = 'blackhole');
CREATE TABLE result (id INT, now_or_before BOOLEAN, same BOOLEAN, local_before BOOLEAN, years BOOLEAN) WITH ('connector' = 'print');
EXECUTE STATEMENT SET BEGIN
INSERT INTO moments SELECT id, passed, local_p FROM timed;
INSERT INTO result
SELECT id, passed <= NOW(), passed = p2, local_p <= LOCALTIMESTAMP, EXTRACT(YEAR FROM passed) > 2023
FROM (SELECT * FROM timed WHERE passed > TIMESTAMP '2024-03-01 10:00:00' UNION ALL SELECT * FROM timed WHERE id = 1);
END;
