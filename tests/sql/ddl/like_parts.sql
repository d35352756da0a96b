-- Physical columns ever, and of the rest only what is included.
CREATE TABLE base (
    id INT, k STRING, twice AS id * 2, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts,
    PRIMARY KEY (id) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = '/nowhere', 'format' = 'json');
CREATE TABLE orders (k2 AS 'x') WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/unnest/orders.json', 'format' = 'json'
) LIKE base (EXCLUDING ALL INCLUDING GENERATED);
CREATE TABLE again (twice AS id * 3) LIKE orders (OVERWRITING GENERATED);
CREATE TABLE result (id INT, twice INT, k2 STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT id, twice, k2 FROM again;
