SELECT bidder, COUNT(*), 0, 0 FROM bid GROUP BY bidder
