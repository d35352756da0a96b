-- The module that the example brings.
CREATE FUNCTION distance AS 'examples/wasm-function/distance.wat' LANGUAGE WASM;
CREATE TABLE points (x DOUBLE, y DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'tests/sql/wasm/points.json', 'format' = 'json');
CREATE TABLE result (x DOUBLE, y DOUBLE, distance DOUBLE) WITH ('connector' = 'print');
INSERT INTO result
SELECT x, y, distance(x, y, 1, 1) FROM points;
