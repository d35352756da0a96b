SELECT won.seller, SUM(won.price) OVER w / COUNT(won.price) OVER w
FROM (
    SELECT a.id, a.seller, b.price, b.dateTime,
           ROW_NUMBER() OVER (PARTITION BY a.id, a.seller ORDER BY b.price DESC) AS rownum
    FROM auction AS a, bid AS b
    WHERE a.id = b.auction AND b.dateTime BETWEEN a.dateTime AND a.expires
) AS won
WHERE won.rownum <= 1
WINDOW w AS (PARTITION BY won.seller ORDER BY won.dateTime ROWS BETWEEN 9 PRECEDING AND CURRENT ROW)
