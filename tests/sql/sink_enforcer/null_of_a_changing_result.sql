-- Rows of a result that changes, too: only some of its versions have a null.
-- parallelism: 1
SET 'table.exec.sink.not-null-enforcer' = 'drop';
CREATE TABLE people (id INT, name STRING, code STRING) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/sink_enforcer/people.json', 'format' = 'json'
);
CREATE TABLE result (is_three BOOLEAN NOT NULL, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT id = 3, COUNT(*) FROM people GROUP BY id = 3;
