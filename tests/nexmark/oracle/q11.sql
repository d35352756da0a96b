SELECT bidder, COUNT(*), MIN(t), MAX(t) + 10000
FROM (
    SELECT bidder, t, SUM(fresh) OVER (PARTITION BY bidder ORDER BY t ROWS UNBOUNDED PRECEDING) AS session
    FROM (
        SELECT bidder, t, CASE WHEN t - LAG(t) OVER (PARTITION BY bidder ORDER BY t) > 10000 THEN 1 ELSE 0 END AS fresh
        FROM (SELECT bidder, CAST(dateTime AS BIGINT) AS t FROM bid)
    )
)
GROUP BY bidder, session
