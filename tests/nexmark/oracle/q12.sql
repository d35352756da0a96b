SELECT bidder, COUNT(*) AS bid_count, 0 AS starttime, 0 AS endtime FROM bid GROUP BY bidder
