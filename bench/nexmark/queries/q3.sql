-- Local item suggestion: who sells in some states, in one category.

CREATE TABLE result (
    name STRING,
    city STRING,
    state STRING,
    id BIGINT
) WITH ('connector' = 'blackhole');

INSERT INTO result
SELECT p.name, p.city, p.state, a.id
FROM auction AS a
JOIN person AS p ON a.seller = p.id
WHERE a.category = 10 AND (p.state = 'OR' OR p.state = 'ID' OR p.state = 'CA');
