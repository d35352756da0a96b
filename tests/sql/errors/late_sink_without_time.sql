CREATE TABLE visits (id INT, ts TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/late_sink/visits.json', 'format' = 'json', 'late.sink' = 'late');
