WITH counts AS (
    SELECT auction, CAST(dateTime AS BIGINT) / 2000 * 2000 - back.n * 2000 AS w, COUNT(*) AS num
    FROM bid CROSS JOIN (VALUES (0), (1), (2), (3), (4)) AS back(n)
    GROUP BY 1, 2
)
SELECT counts.auction, counts.num
FROM counts JOIN (SELECT w, MAX(num) AS maxn FROM counts GROUP BY w) AS most
ON counts.w = most.w AND counts.num >= most.maxn
