CREATE TABLE rates (
    currency STRING, rate INT, source STRING, valid_from TIMESTAMP(3),
    WATERMARK FOR valid_from AS valid_from - INTERVAL '1' HOUR,
    PRIMARY KEY (currency) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/temporal_join/rates.json', 'format' = 'json');
CREATE TABLE result (rate INT) WITH ('connector' = 'print');
INSERT INTO result SELECT r.rate FROM rates FOR SYSTEM_TIME AS OF TIMESTAMP '2024-03-01 10:00:00' AS r;
