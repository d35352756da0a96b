-- Every type from a line to a line: what is missing is null, what the table does not name is passed over.
CREATE TABLE types (
    b BOOLEAN,
    t TINYINT,
    s SMALLINT,
    i INT,
    l BIGINT,
    f FLOAT,
    d DOUBLE,
    n DECIMAL(10, 2),
    c STRING,
    `day` DATE,
    ts TIMESTAMP(3)
) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/json/types.json',
    'format' = 'json'
);
CREATE TABLE result (
    b BOOLEAN,
    t TINYINT,
    s SMALLINT,
    i INT,
    l BIGINT,
    f FLOAT,
    d DOUBLE,
    n DECIMAL(10, 2),
    c STRING,
    `day` DATE,
    ts TIMESTAMP(3)
) WITH ('connector' = 'print');
INSERT INTO result SELECT * FROM types;
