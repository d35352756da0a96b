-- A partition that is the same for all rows.
CREATE TABLE sales (id INT, amount INT, `day` DATE, country STRING) PARTITIONED BY (`day`, country) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json'
);
CREATE TABLE copy (id INT, year_of INT, country STRING) PARTITIONED BY (year_of, country) WITH (
    'connector' = 'filesystem', 'path' = '{out}/copy', 'format' = 'json'
);
INSERT INTO copy PARTITION (year_of = 2024, country) SELECT id, country FROM sales;
