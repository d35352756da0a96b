SELECT auction, bidder, price, dateTime, extra, to_char(dateTime, '%Y-%m-%d'), to_char(dateTime, '%H:%M') FROM bid
