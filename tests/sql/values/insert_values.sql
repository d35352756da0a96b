-- INSERT INTO with rows; columns that are not named are null.
CREATE TABLE result (id INT, name STRING, price DOUBLE) WITH ('connector' = 'print');
INSERT INTO result VALUES (1, 'a', 1e0), (2, 'b', 2.5e0);
INSERT INTO result (name, id) VALUES ('c', 3);
