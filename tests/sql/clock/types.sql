-- The types are Flink's, so their texts have so many characters; columns of just these types take them.
CREATE TABLE bids (id INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE moments (
    id INT, ltz TIMESTAMP_LTZ(3), local_ts TIMESTAMP(3), d DATE, t TIME(0), s BIGINT, p TIMESTAMP_LTZ(3)
) WITH ('connector' = 'blackhole');
CREATE TABLE result (id INT, ltz INT, local_ts INT, d INT, t INT, t2 INT, s INT) WITH ('connector' = 'print');
EXECUTE STATEMENT SET BEGIN
INSERT INTO moments
SELECT id, CURRENT_ROW_TIMESTAMP(), LOCALTIMESTAMP, CURRENT_DATE, CURRENT_TIME, UNIX_TIMESTAMP(), PROCTIME() FROM bids;
INSERT INTO result
SELECT
    id,
    CHAR_LENGTH(CAST(CURRENT_TIMESTAMP AS STRING)), CHAR_LENGTH(CAST(LOCALTIMESTAMP AS STRING)),
    CHAR_LENGTH(CAST(CURRENT_DATE AS STRING)), CHAR_LENGTH(CAST(CURRENT_TIME AS STRING)),
    CHAR_LENGTH(CAST(LOCALTIME AS STRING)), CHAR_LENGTH(CAST(UNIX_TIMESTAMP() AS STRING))
FROM bids WHERE id < 3;
END;
