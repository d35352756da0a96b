CREATE TABLE bids (id INT, auction INT, price BIGINT, bidder STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/top_n/bids.json', 'format' = 'json'
);
CREATE TABLE result (window_end TIMESTAMP(3), bidder STRING, total BIGINT, n BIGINT) WITH ('connector' = 'print');
INSERT INTO result
SELECT window_end, bidder, total, n
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY total DESC) AS n
  FROM (
    SELECT window_start, window_end, bidder, SUM(price) AS total
    FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, bidder
  )
) WHERE n <= 2;
