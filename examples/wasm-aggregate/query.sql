-- title: An aggregate of your own
-- description: Mean grades of students, weighted by hours, computed by a WebAssembly module.
CREATE FUNCTION weighted_mean AS 'examples/wasm-aggregate/weighted_mean.wat' LANGUAGE WASM;

CREATE TABLE grades (student INT, grade INT, hours INT) WITH (
    'connector' = 'datagen',
    'number-of-rows' = '1000',
    'fields.student.min' = '1',
    'fields.student.max' = '5',
    'fields.grade.min' = '1',
    'fields.grade.max' = '6',
    'fields.hours.min' = '1',
    'fields.hours.max' = '4'
);
CREATE TABLE means (student INT, mean DOUBLE) WITH ('connector' = 'print');

INSERT INTO means SELECT student, weighted_mean(grade, hours) FROM grades GROUP BY student;
