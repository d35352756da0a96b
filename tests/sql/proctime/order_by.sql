-- Rows in the order in which they come; with LIMIT, the first ones.
CREATE TABLE bids (id INT, p AS PROCTIME()) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE all_rows (id INT) WITH ('connector' = 'filesystem', 'path' = '{out}/all_rows', 'format' = 'json');
CREATE TABLE few (id INT) WITH ('connector' = 'filesystem', 'path' = '{out}/few', 'format' = 'json');
EXECUTE STATEMENT SET BEGIN
INSERT INTO all_rows SELECT id FROM bids ORDER BY p;
INSERT INTO few SELECT id FROM bids ORDER BY p LIMIT 3;
END;
