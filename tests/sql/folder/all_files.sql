-- Every file of the folder, zipped or not; hidden ones are passed over.
CREATE TABLE days (`day` INT) WITH (
    'connector' = 'filesystem',
    'path' = 'tests/sql/folder/days',
    'format' = 'json'
);
CREATE TABLE result (`day` INT) WITH ('connector' = 'print');
INSERT INTO result SELECT `day` FROM days;
