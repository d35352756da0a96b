-- Options of the table that a window function reads, and of one in a view.
CREATE TABLE ticks (id INT, customer STRING, ts AS TO_TIMESTAMP_LTZ(id * 1000, 3), WATERMARK FOR ts AS ts) WITH (
    'connector' = 'filesystem', 'path' = 'nowhere', 'format' = 'json'
);
CREATE VIEW known AS SELECT * FROM ticks /*+ OPTIONS('path' = 'tests/sql/hints/orders.json') */ AS t WHERE t.customer IS NOT NULL;
CREATE TABLE result (ids BIGINT, known BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT COUNT(*), CAST(NULL AS BIGINT) FROM TABLE(TUMBLE(TABLE ticks /*+ OPTIONS('path' = 'tests/sql/hints/orders.json') */, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end
UNION ALL
SELECT CAST(NULL AS BIGINT), COUNT(*) FROM TABLE(TUMBLE(TABLE known, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end;
