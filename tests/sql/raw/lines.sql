-- A line is a row, whatever is in it.
CREATE TABLE lines (line STRING) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/raw/access.log', 'format' = 'raw');
CREATE TABLE result (line STRING, status STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT line, SPLIT_INDEX(line, ' ', 2) FROM lines;
