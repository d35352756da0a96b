CREATE TABLE ticker (symbol STRING, id INT, price INT, tax INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/ticker.json', 'format' = 'json'
);
CREATE TABLE result (symbol STRING, f0 INT, f1 INT, f9 INT, l0 INT, l1 INT, first_all INT, second_all INT, last_all INT, before_last INT, of_none INT, taxed INT) WITH ('connector' = 'print');
INSERT INTO result
SELECT *
FROM ticker
    MATCH_RECOGNIZE (
        PARTITION BY symbol
        ORDER BY ts
        MEASURES
            FIRST(up.price) AS f0,
            FIRST(up.price, 1) AS f1,
            FIRST(up.price, 9) AS f9,
            up.price AS l0,
            LAST(up.price, 1) AS l1,
            FIRST(price) AS first_all,
            FIRST(price, 1) AS second_all,
            price AS last_all,
            LAST(price, 1) AS before_last,
            flat.price AS of_none,
            LAST(up.price * up.tax) + FIRST(down.tax) AS taxed
        AFTER MATCH SKIP TO LAST up
        PATTERN (first_row flat? up{2,} down)
        DEFINE
            flat AS flat.price = LAST(first_row.price),
            up AS up.price > LAST(price, 1) AND up.price > FIRST(price),
            down AS down.price < up.price
    );
