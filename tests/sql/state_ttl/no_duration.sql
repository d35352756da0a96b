SET 'table.exec.state.ttl' = 'a day';
CREATE TABLE result (a INT) WITH ('connector' = 'print');
INSERT INTO result SELECT 1;
