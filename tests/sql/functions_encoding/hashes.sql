CREATE TABLE result (a STRING, b STRING, c STRING, d STRING) WITH ('connector' = 'print');
INSERT INTO result SELECT MD5('abc'), SHA1('abc'), SHA2('abc', 256), SHA224('abc');
