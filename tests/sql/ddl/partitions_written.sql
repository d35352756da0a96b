-- Each row lies in the folder of its partition, without the columns that the folder says.
CREATE TABLE sales (id INT, amount INT, `day` DATE, country STRING) PARTITIONED BY (`day`, country) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/ddl/sales', 'format' = 'json'
);
CREATE TABLE copy (country STRING, id INT, size STRING) PARTITIONED BY (country, size) WITH (
    'connector' = 'filesystem', 'path' = '{out}/copy', 'format' = 'json'
);
INSERT INTO copy SELECT country, id, CASE WHEN amount > 20 THEN 'large/new' ELSE 'small' END FROM sales;
