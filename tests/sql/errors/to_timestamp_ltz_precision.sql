CREATE TABLE events (ms BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
CREATE TABLE result (t TIMESTAMP_LTZ(3)) WITH ('connector' = 'print');
INSERT INTO result SELECT TO_TIMESTAMP_LTZ(ms, 6) FROM events;
