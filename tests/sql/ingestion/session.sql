-- Rows get their event time where they are read; the session that is open at the end fires.
CREATE TABLE bids (
    id INT, auction INT,
    ts AS CURRENT_ROW_TIMESTAMP(),
    WATERMARK FOR ts AS ts
) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (auction INT, n BIGINT, within_bounds BOOLEAN) WITH ('connector' = 'print');
INSERT INTO result
SELECT auction, COUNT(*), window_start <= LOCALTIMESTAMP AND window_end > LOCALTIMESTAMP
FROM TABLE(SESSION(TABLE bids PARTITION BY auction, DESCRIPTOR(ts), INTERVAL '1' DAY))
GROUP BY auction, window_start, window_end;
