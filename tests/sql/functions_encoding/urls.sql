CREATE TABLE result (a STRING, b STRING, c STRING, d STRING, e STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT URL_ENCODE('a b&ü'), URL_DECODE('a+b%26%C3%BC'), PARSE_URL('http://u@h.de:80/p/q?a=1&b=2#r', 'HOST'), PARSE_URL('http://u@h.de:80/p/q?a=1&b=2#r', 'QUERY', 'b'), PARSE_URL('http://h.de', 'REF');
