SELECT auction, CAST(dateTime AS BIGINT) / 10000 * 10000 AS w, CAST(dateTime AS BIGINT) / 10000 * 10000 + 10000, COUNT(*)
FROM bid GROUP BY auction, 2, 3
