SELECT p.id, p.name, p.w
FROM (SELECT DISTINCT id, name, CAST(dateTime AS BIGINT) / 10000 * 10000 AS w FROM person) AS p
JOIN (SELECT DISTINCT seller, CAST(dateTime AS BIGINT) / 10000 * 10000 AS w FROM auction) AS a
ON p.id = a.seller AND p.w = a.w
