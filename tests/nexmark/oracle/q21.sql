SELECT auction, bidder, price, channel,
       CASE
           WHEN LOWER(channel) = 'apple' THEN '0'
           WHEN LOWER(channel) = 'google' THEN '1'
           WHEN LOWER(channel) = 'facebook' THEN '2'
           WHEN LOWER(channel) = 'baidu' THEN '3'
           ELSE CASE WHEN regexp_like(url, '(&|^)channel_id=') THEN regexp_replace(url, '^.*?(&|^)channel_id=([^&]*).*$', '\2') END
       END AS channel_id
FROM bid
WHERE CASE WHEN regexp_like(url, '(&|^)channel_id=') THEN regexp_replace(url, '^.*?(&|^)channel_id=([^&]*).*$', '\2') END IS NOT NULL
   OR LOWER(channel) IN ('apple', 'google', 'facebook', 'baidu')
