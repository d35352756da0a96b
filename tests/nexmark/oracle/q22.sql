SELECT auction, bidder, price, channel,
       NULLIF(split_part(url, '/', 4), '') AS dir1,
       NULLIF(split_part(url, '/', 5), '') AS dir2,
       NULLIF(split_part(url, '/', 6), '') AS dir3
FROM bid
