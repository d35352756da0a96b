CREATE TABLE ticker (symbol STRING, id INT, price INT, tax INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/match_recognize/ticker.json', 'format' = 'json'
);
CREATE TABLE result (symbol STRING, start_ts TIMESTAMP(3), bottom_ts TIMESTAMP(3), end_ts TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO result
SELECT *
FROM ticker
    MATCH_RECOGNIZE (
        PARTITION BY symbol
        ORDER BY ts
        MEASURES
            start_row.ts AS start_ts,
            LAST(price_down.ts) AS bottom_ts,
            LAST(price_up.ts) AS end_ts
        ONE ROW PER MATCH
        AFTER MATCH SKIP TO LAST price_up
        PATTERN (start_row price_down+ price_up)
        DEFINE
            price_down AS
                (LAST(price_down.price, 1) IS NULL AND price_down.price < start_row.price)
                OR price_down.price < LAST(price_down.price, 1),
            price_up AS price_up.price > LAST(price_down.price, 1)
    ) AS m;
