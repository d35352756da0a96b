SELECT b.auction, b.bidder, b.price, b.dateTime, b.extra
FROM bid AS b
JOIN (
    SELECT MAX(price) AS maxprice, CAST(dateTime AS BIGINT) / 10000 * 10000 + 10000 AS w FROM bid GROUP BY 2
) AS b1
ON b.price = b1.maxprice
WHERE CAST(b.dateTime AS BIGINT) BETWEEN b1.w - 10000 AND b1.w
