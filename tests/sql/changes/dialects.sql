-- Changes as Canal and Maxwell write them: of an update, the fields that were others before.
CREATE TABLE canal (id INT, name STRING, price DECIMAL(6, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/changes/canal.json', 'format' = 'canal-json'
);
CREATE TABLE maxwell (id INT, name STRING, price DECIMAL(6, 2)) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/changes/maxwell.json', 'format' = 'maxwell-json'
);
CREATE TABLE result (id INT, name STRING, price DECIMAL(6, 2)) WITH ('connector' = 'print');
INSERT INTO result SELECT * FROM canal UNION ALL SELECT * FROM maxwell;
