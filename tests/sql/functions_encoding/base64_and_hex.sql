CREATE TABLE result (a STRING, b STRING, c STRING, d STRING, e STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT TO_BASE64('hello'), FROM_BASE64('aGVsbG8='), HEX('hé'), HEX(255), BIN(5);
