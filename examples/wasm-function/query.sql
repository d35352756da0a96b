-- title: A function of your own
-- description: How far random points lie from the middle, computed by a WebAssembly module.
CREATE FUNCTION distance AS 'examples/wasm-function/distance.wat' LANGUAGE WASM;

CREATE TABLE points (x DOUBLE, y DOUBLE) WITH (
    'connector' = 'datagen',
    'number-of-rows' = '10',
    'fields.x.min' = '-1', 'fields.x.max' = '1',
    'fields.y.min' = '-1', 'fields.y.max' = '1'
);
CREATE TABLE distances (x DOUBLE, y DOUBLE, distance DOUBLE) WITH ('connector' = 'print');

INSERT INTO distances
SELECT x, y, distance(x, y, 0, 0) FROM points;
