CREATE TABLE letters (k STRING, id INT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/letters.json', 'format' = 'json'
);
CREATE TABLE star (k STRING, a_id INT, b_first INT, b_last INT, bs BIGINT, c_id INT) WITH ('connector' = 'print');
CREATE TABLE plus (k STRING, a_id INT, b_first INT, b_last INT, bs BIGINT, c_id INT) WITH ('connector' = 'print');
CREATE TABLE at_least (k STRING, a_id INT, b_first INT, b_last INT, bs BIGINT, c_id INT) WITH ('connector' = 'print');
CREATE TABLE between (k STRING, a_id INT, b_first INT, b_last INT, bs BIGINT, c_id INT) WITH ('connector' = 'print');
CREATE TABLE at_most (k STRING, a_id INT, b_first INT, b_last INT, bs BIGINT, c_id INT) WITH ('connector' = 'print');
CREATE TABLE exactly (k STRING, a_id INT, b_first INT, b_last INT, bs BIGINT, c_id INT) WITH ('connector' = 'print');
EXECUTE STATEMENT SET BEGIN
INSERT INTO star SELECT * FROM letters MATCH_RECOGNIZE (
    PARTITION BY k ORDER BY ts
    MEASURES a.id AS a_id, FIRST(b.id) AS b_first, LAST(b.id) AS b_last, COUNT(b.id) AS bs, c.id AS c_id
    AFTER MATCH SKIP PAST LAST ROW
    PATTERN (a b*? c)
    DEFINE a AS a.kind = 'a', c AS c.kind = 'c'
);
INSERT INTO plus SELECT * FROM letters MATCH_RECOGNIZE (
    PARTITION BY k ORDER BY ts
    MEASURES a.id AS a_id, FIRST(b.id) AS b_first, LAST(b.id) AS b_last, COUNT(b.id) AS bs, c.id AS c_id
    AFTER MATCH SKIP PAST LAST ROW
    PATTERN (a b+? c)
    DEFINE a AS a.kind = 'a', c AS c.kind = 'c'
);
INSERT INTO at_least SELECT * FROM letters MATCH_RECOGNIZE (
    PARTITION BY k ORDER BY ts
    MEASURES a.id AS a_id, FIRST(b.id) AS b_first, LAST(b.id) AS b_last, COUNT(b.id) AS bs, c.id AS c_id
    AFTER MATCH SKIP PAST LAST ROW
    PATTERN (a b{2,}? c)
    DEFINE a AS a.kind = 'a', c AS c.kind = 'c'
);
INSERT INTO between SELECT * FROM letters MATCH_RECOGNIZE (
    PARTITION BY k ORDER BY ts
    MEASURES a.id AS a_id, FIRST(b.id) AS b_first, LAST(b.id) AS b_last, COUNT(b.id) AS bs, c.id AS c_id
    AFTER MATCH SKIP PAST LAST ROW
    PATTERN (a b{1,2}? c)
    DEFINE a AS a.kind = 'a', c AS c.kind = 'c'
);
INSERT INTO at_most SELECT * FROM letters MATCH_RECOGNIZE (
    PARTITION BY k ORDER BY ts
    MEASURES a.id AS a_id, FIRST(b.id) AS b_first, LAST(b.id) AS b_last, COUNT(b.id) AS bs, c.id AS c_id
    AFTER MATCH SKIP PAST LAST ROW
    PATTERN (a b{,2}? c)
    DEFINE a AS a.kind = 'a', c AS c.kind = 'c'
);
INSERT INTO exactly SELECT * FROM letters MATCH_RECOGNIZE (
    PARTITION BY k ORDER BY ts
    MEASURES a.id AS a_id, FIRST(b.id) AS b_first, LAST(b.id) AS b_last, COUNT(b.id) AS bs, c.id AS c_id
    AFTER MATCH SKIP PAST LAST ROW
    PATTERN (a b{2}? c)
    DEFINE a AS a.kind = 'a', c AS c.kind = 'c'
);
END;
