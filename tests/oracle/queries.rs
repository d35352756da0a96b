//! The queries, as a stream and as a batch.

/// One query in both dialects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    pub(crate) name: &'static str,
    /// The result's columns.
    pub(crate) columns: &'static str,
    /// In Flink's dialect, over `events`.
    pub(crate) streaming: &'static str,
    /// In DataFusion's, with the same columns in the same order.
    pub(crate) batch: &'static str,
}

pub(crate) const QUERIES: &[Query] = &[
    Query {
        name: "filter_and_projection",
        columns: "k STRING, n BIGINT, g INT",
        streaming: "SELECT k, v * 2 + 1, g FROM events WHERE v > 10 OR k IS NULL",
        batch: "SELECT k, v * 2 + 1, g FROM events WHERE v > 10 OR k IS NULL",
    },
    Query {
        name: "keyed_window_of_numbers",
        columns: "k STRING, w TIMESTAMP(3), c BIGINT, n BIGINT, s BIGINT, least BIGINT, most BIGINT, mean BIGINT",
        streaming: "SELECT k, window_start, COUNT(*), COUNT(v), SUM(v), MIN(v), MAX(v), AVG(v)
                    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
                    GROUP BY k, window_start, window_end",
        // The average of whole numbers is a whole number there.
        batch: "SELECT k, CAST(ts AS BIGINT) / 60000 * 60000 AS w, COUNT(*), COUNT(v), SUM(v), MIN(v), MAX(v),
                       SUM(v) / NULLIF(COUNT(v), 0)
                FROM events GROUP BY k, CAST(ts AS BIGINT) / 60000 * 60000",
    },
    Query {
        name: "keyed_window_of_doubles",
        columns: "k STRING, w TIMESTAMP(3), s DOUBLE, least DOUBLE, most DOUBLE, mean DOUBLE",
        streaming: "SELECT k, window_end, SUM(d), MIN(d), MAX(d), AVG(d)
                    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '30' SECOND))
                    GROUP BY k, window_start, window_end",
        batch: "SELECT k, (CAST(ts AS BIGINT) / 30000 + 1) * 30000 AS w, SUM(d), MIN(d), MAX(d), AVG(d)
                FROM events GROUP BY k, (CAST(ts AS BIGINT) / 30000 + 1) * 30000",
    },
    Query {
        name: "global_window",
        columns: "w TIMESTAMP(3), c BIGINT, s BIGINT, least DOUBLE, earliest TIMESTAMP(3)",
        streaming: "SELECT window_start, COUNT(*), SUM(v), MIN(d), MIN(ts)
                    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '2' MINUTES))
                    GROUP BY window_start, window_end",
        batch: "SELECT CAST(ts AS BIGINT) / 120000 * 120000 AS w, COUNT(*), SUM(v), MIN(d), MIN(CAST(ts AS BIGINT))
                FROM events GROUP BY CAST(ts AS BIGINT) / 120000 * 120000",
    },
    Query {
        name: "two_keys_filter_and_having",
        columns: "g INT, k STRING, w TIMESTAMP(3), c BIGINT, s BIGINT",
        streaming: "SELECT g, k, window_start, COUNT(*), SUM(v + g)
                    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
                    WHERE d IS NOT NULL AND v <> 0
                    GROUP BY g, k, window_start, window_end
                    HAVING COUNT(*) > 1",
        batch: "SELECT g, k, CAST(ts AS BIGINT) / 60000 * 60000 AS w, COUNT(*), SUM(v + g)
                FROM events WHERE d IS NOT NULL AND v <> 0
                GROUP BY g, k, CAST(ts AS BIGINT) / 60000 * 60000 HAVING COUNT(*) > 1",
    },
    Query {
        name: "computed_key_and_text",
        columns: "size STRING, w TIMESTAMP(3), first_key STRING, last_key STRING, c BIGINT",
        streaming: "SELECT CASE WHEN v < 0 THEN 'negative' WHEN v >= 500 THEN 'large' ELSE 'other' END,
                           window_start, MIN(k), MAX(k), COUNT(k)
                    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '5' MINUTES))
                    GROUP BY CASE WHEN v < 0 THEN 'negative' WHEN v >= 500 THEN 'large' ELSE 'other' END,
                             window_start, window_end",
        batch: "SELECT CASE WHEN v < 0 THEN 'negative' WHEN v >= 500 THEN 'large' ELSE 'other' END AS size,
                       CAST(ts AS BIGINT) / 300000 * 300000 AS w, MIN(k), MAX(k), COUNT(k)
                FROM events GROUP BY size, w",
    },
    Query {
        name: "window_with_offset",
        columns: "g INT, w TIMESTAMP(3), c BIGINT",
        streaming: "SELECT g, window_start, COUNT(*)
                    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '15' SECOND))
                    GROUP BY g, window_start, window_end",
        batch: "SELECT g, (CAST(ts AS BIGINT) - 15000) / 60000 * 60000 + 15000 AS w, COUNT(*) FROM events GROUP BY g, w",
    },
    Query {
        name: "hopping_window",
        columns: "k STRING, w TIMESTAMP(3), c BIGINT, n BIGINT, s BIGINT, least BIGINT, most DOUBLE, mean DOUBLE",
        streaming: "SELECT k, window_start, COUNT(*), COUNT(v), SUM(v), MIN(v), MAX(d), AVG(d)
                    FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '4' MINUTES))
                    GROUP BY k, window_start, window_end",
        batch: "SELECT k, (CAST(ts AS BIGINT) / 60000 - i) * 60000 AS w, COUNT(*), COUNT(v), SUM(v), MIN(v), MAX(d), AVG(d)
                FROM events CROSS JOIN (VALUES (0), (1), (2), (3)) AS numbers(i) GROUP BY k, w",
    },
    Query {
        name: "hopping_window_of_texts",
        columns: "g INT, w TIMESTAMP(3), first_key STRING, last_key STRING",
        streaming: "SELECT g, window_end, MIN(k), MAX(k)
                    FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE, INTERVAL '5' SECOND))
                    WHERE v IS NOT NULL
                    GROUP BY g, window_start, window_end",
        batch: "SELECT g, ((CAST(ts AS BIGINT) - 5000) / 20000 + 1 + i) * 20000 + 5000 AS w, MIN(k), MAX(k)
                FROM events CROSS JOIN (VALUES (0), (1), (2)) AS numbers(i) WHERE v IS NOT NULL GROUP BY g, w",
    },
    Query {
        name: "cumulating_window",
        columns: "k STRING, w TIMESTAMP(3), e TIMESTAMP(3), c BIGINT, s BIGINT, mean BIGINT",
        streaming: "SELECT k, window_start, window_end, COUNT(*), SUM(v), AVG(v)
                    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(ts), INTERVAL '30' SECOND, INTERVAL '2' MINUTES))
                    GROUP BY k, window_start, window_end",
        batch: "SELECT k, CAST(ts AS BIGINT) / 120000 * 120000 AS w, (CAST(ts AS BIGINT) / 30000 + 1 + i) * 30000 AS e,
                       COUNT(*), SUM(v), SUM(v) / NULLIF(COUNT(v), 0)
                FROM events CROSS JOIN (VALUES (0), (1), (2), (3)) AS numbers(i)
                WHERE (CAST(ts AS BIGINT) / 30000 + 1 + i) * 30000 <= CAST(ts AS BIGINT) / 120000 * 120000 + 120000
                GROUP BY k, w, e",
    },
    Query {
        name: "early_results_of_hopping_windows",
        columns: "k STRING, w TIMESTAMP(3), c BIGINT, n BIGINT, s BIGINT, least BIGINT, most DOUBLE, mean DOUBLE",
        // A setting is the job's, wherever it stands.
        streaming: "SELECT k, window_start, COUNT(*), COUNT(v), SUM(v), MIN(v), MAX(d), AVG(d)
                    FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '4' MINUTES))
                    GROUP BY k, window_start, window_end;
                    SET 'table.exec.emit.early-fire.enabled' = 'true';
                    SET 'table.exec.emit.early-fire.delay' = '0 s'",
        batch: "SELECT k, (CAST(ts AS BIGINT) / 60000 - i) * 60000 AS w, COUNT(*), COUNT(v), SUM(v), MIN(v), MAX(d), AVG(d)
                FROM events CROSS JOIN (VALUES (0), (1), (2), (3)) AS numbers(i) GROUP BY k, w",
    },
    Query {
        name: "rows_of_hopping_windows",
        columns: "k STRING, v BIGINT, w TIMESTAMP(3)",
        streaming: "SELECT k, v, window_end
                    FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '3' MINUTES))
                    WHERE v > 100",
        batch: "SELECT k, v, (CAST(ts AS BIGINT) / 60000 + 1 + i) * 60000
                FROM events CROSS JOIN (VALUES (0), (1), (2)) AS numbers(i) WHERE v > 100",
    },
    Query {
        name: "windows_of_windows",
        columns: "g INT, w TIMESTAMP(3), c BIGINT, parts BIGINT",
        streaming: "SELECT g, window_start, SUM(c), COUNT(*)
                    FROM TABLE(TUMBLE(TABLE (
                        SELECT g, k, COUNT(*) AS c, window_time AS minute_time
                        FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
                        GROUP BY g, k, window_start, window_end, window_time
                    ), DESCRIPTOR(minute_time), INTERVAL '3' MINUTES))
                    GROUP BY g, window_start, window_end",
        batch: "SELECT g, m / 3 * 180000 AS w, SUM(c), COUNT(*)
                FROM (SELECT g, k, CAST(ts AS BIGINT) / 60000 AS m, COUNT(*) AS c FROM events GROUP BY g, k, m)
                GROUP BY g, w",
    },
    Query {
        name: "most_per_hopping_window",
        columns: "e TIMESTAMP(3), most BIGINT, keys BIGINT",
        streaming: "SELECT window_end, MAX(c), COUNT(*)
                    FROM (
                        SELECT k, COUNT(*) AS c, window_start, window_end
                        FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTES))
                        GROUP BY k, window_start, window_end
                    )
                    GROUP BY window_start, window_end",
        batch: "SELECT e, MAX(c), COUNT(*)
                FROM (
                    SELECT k, (CAST(ts AS BIGINT) / 60000 + 1 + i) * 60000 AS e, COUNT(*) AS c
                    FROM events CROSS JOIN (VALUES (0), (1)) AS numbers(i) GROUP BY k, e
                )
                GROUP BY e",
    },
    Query {
        name: "group_by_without_a_window",
        columns: "k STRING, c BIGINT, n BIGINT, s BIGINT, least DOUBLE, most DOUBLE, mean BIGINT, f BIGINT",
        streaming: "SELECT k, COUNT(*), COUNT(v), SUM(v), MIN(d), MAX(d), AVG(v), COUNT(*) FILTER (WHERE v > 0)
                    FROM events GROUP BY k",
        batch: "SELECT k, COUNT(*), COUNT(v), SUM(v), MIN(d), MAX(d), SUM(v) / NULLIF(COUNT(v), 0),
                       COUNT(*) FILTER (WHERE v > 0)
                FROM events GROUP BY k",
    },
    Query {
        name: "distinct_aggregates",
        columns: "g INT, k STRING, c BIGINT, s BIGINT, n BIGINT",
        streaming: "SELECT g, k, COUNT(DISTINCT v), SUM(DISTINCT v), COUNT(DISTINCT d) FILTER (WHERE v > 0)
                    FROM events GROUP BY g, k",
        batch: "SELECT g, k, COUNT(DISTINCT v), SUM(DISTINCT v), COUNT(DISTINCT d) FILTER (WHERE v > 0)
                FROM events GROUP BY g, k",
    },
    Query {
        name: "select_distinct",
        columns: "g INT, k STRING",
        streaming: "SELECT DISTINCT g, k FROM events",
        batch: "SELECT DISTINCT g, k FROM events",
    },
    Query {
        name: "aggregate_of_an_aggregate",
        columns: "c BIGINT, n BIGINT, s BIGINT, least BIGINT, most DOUBLE, x BIGINT",
        streaming: "SELECT c, COUNT(*), SUM(s), MIN(s), MAX(m), COUNT(DISTINCT s)
                    FROM (SELECT k, g, COUNT(*) AS c, SUM(v) AS s, MIN(d) AS m FROM events GROUP BY k, g) AS t
                    GROUP BY c HAVING COUNT(*) < 20",
        batch: "SELECT c, COUNT(*), SUM(s), MIN(s), MAX(m), COUNT(DISTINCT s)
                FROM (SELECT k, g, COUNT(*) AS c, SUM(v) AS s, MIN(d) AS m FROM events GROUP BY k, g) AS t
                GROUP BY c HAVING COUNT(*) < 20",
    },
    Query {
        name: "sessions_per_key",
        columns: "k STRING, w TIMESTAMP(3), e TIMESTAMP(3), c BIGINT, s BIGINT, least DOUBLE",
        streaming: "SELECT k, window_start, window_end, COUNT(*), SUM(v), MIN(d)
                    FROM TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(ts), INTERVAL '20' SECOND))
                    GROUP BY k, window_start, window_end",
        // A row begins a session when the one before is longer ago than the gap.
        batch: "SELECT k, MIN(t) AS w, MAX(t) + 20000 AS e, COUNT(*), SUM(v), MIN(d)
                FROM (
                    SELECT *, SUM(CASE WHEN before IS NULL OR t - before > 20000 THEN 1 ELSE 0 END)
                              OVER (PARTITION BY k ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS nth
                    FROM (SELECT *, CAST(ts AS BIGINT) AS t,
                                 LAG(CAST(ts AS BIGINT)) OVER (PARTITION BY k ORDER BY ts) AS before FROM events)
                )
                GROUP BY k, nth",
    },
    Query {
        name: "group_window_with_filter",
        columns: "w TIMESTAMP(3), k STRING, c BIGINT, s BIGINT",
        streaming: "SELECT HOP_START(ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTES), k,
                           COUNT(*) FILTER (WHERE v > 0), SUM(v) FILTER (WHERE g = 1)
                    FROM events GROUP BY HOP(ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTES), k",
        batch: "SELECT (CAST(ts AS BIGINT) / 60000 - i) * 60000 AS w, k,
                       COUNT(*) FILTER (WHERE v > 0), SUM(v) FILTER (WHERE g = 1)
                FROM events CROSS JOIN (VALUES (0), (1)) AS numbers(i) GROUP BY k, w",
    },
    Query {
        name: "distinct_in_hopping_windows",
        columns: "g INT, w TIMESTAMP(3), keys BIGINT, s BIGINT, mean DOUBLE, most BIGINT, c BIGINT",
        streaming: "SELECT g, window_start, COUNT(DISTINCT k), SUM(DISTINCT v), AVG(DISTINCT d), MAX(DISTINCT v), COUNT(v)
                    FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE))
                    GROUP BY g, window_start, window_end",
        batch: "SELECT g, (CAST(ts AS BIGINT) / 20000 - i) * 20000 AS w, COUNT(DISTINCT k), SUM(DISTINCT v),
                       SUM(DISTINCT d) / COUNT(DISTINCT d), MAX(v), COUNT(v)
                FROM events CROSS JOIN (VALUES (0), (1), (2)) AS numbers(i) GROUP BY g, w",
    },
    Query {
        name: "distinct_in_sessions_of_all",
        columns: "w TIMESTAMP(3), keys BIGINT, s BIGINT",
        streaming: "SELECT window_start, COUNT(DISTINCT k), SUM(DISTINCT v)
                    FROM TABLE(SESSION(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND))
                    GROUP BY window_start, window_end",
        batch: "SELECT MIN(t) AS w, COUNT(DISTINCT k), SUM(DISTINCT v)
                FROM (
                    SELECT *, SUM(CASE WHEN before IS NULL OR t - before > 5000 THEN 1 ELSE 0 END)
                              OVER (ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS nth
                    FROM (SELECT *, CAST(ts AS BIGINT) AS t, LAG(CAST(ts AS BIGINT)) OVER (ORDER BY ts) AS before FROM events)
                )
                GROUP BY nth",
    },
    Query {
        name: "inner_join",
        columns: "k STRING, a BIGINT, b BIGINT",
        streaming: "SELECT a.k, a.v, b.v FROM events AS a JOIN events AS b ON a.k = b.k AND a.v < b.v WHERE a.g = 0 AND b.g = 1",
        batch: "SELECT a.k, a.v, b.v FROM events AS a JOIN events AS b ON a.k = b.k AND a.v < b.v WHERE a.g = 0 AND b.g = 1",
    },
    Query {
        name: "full_join_of_changing_results",
        columns: "k STRING, n BIGINT, j STRING, m BIGINT",
        streaming: "SELECT a.k, a.n, b.k, b.n
                    FROM (SELECT k, COUNT(*) AS n FROM events WHERE g = 0 GROUP BY k) AS a
                    FULL JOIN (SELECT k, COUNT(v) AS n FROM events WHERE g = 1 GROUP BY k) AS b ON a.k = b.k AND a.n > b.n",
        batch: "SELECT a.k, a.n, b.k, b.n
                    FROM (SELECT k, COUNT(*) AS n FROM events WHERE g = 0 GROUP BY k) AS a
                    FULL JOIN (SELECT k, COUNT(v) AS n FROM events WHERE g = 1 GROUP BY k) AS b ON a.k = b.k AND a.n > b.n",
    },
    Query {
        name: "left_join",
        columns: "k STRING, v BIGINT, d DOUBLE",
        streaming: "SELECT a.k, a.v, b.d FROM events AS a LEFT JOIN events AS b ON a.v = b.v AND b.g = 2",
        batch: "SELECT a.k, a.v, b.d FROM events AS a LEFT JOIN events AS b ON a.v = b.v AND b.g = 2",
    },
    Query {
        name: "semi_join",
        columns: "k STRING, v BIGINT",
        streaming: "SELECT k, v FROM events AS a WHERE EXISTS (SELECT 1 FROM events AS b WHERE b.v = a.v AND b.g <> a.g)",
        batch: "SELECT k, v FROM events AS a WHERE EXISTS (SELECT 1 FROM events AS b WHERE b.v = a.v AND b.g <> a.g)",
    },
    Query {
        name: "anti_join",
        columns: "k STRING, v BIGINT",
        streaming: "SELECT k, v FROM events AS a WHERE NOT EXISTS (SELECT 1 FROM events AS b WHERE b.k = a.k AND b.d > a.d)",
        batch: "SELECT k, v FROM events AS a WHERE NOT EXISTS (SELECT 1 FROM events AS b WHERE b.k = a.k AND b.d > a.d)",
    },
    Query {
        name: "except",
        columns: "k STRING, v BIGINT",
        streaming: "SELECT k, v FROM events WHERE g = 0 EXCEPT SELECT k, v FROM events WHERE g = 1",
        batch: "SELECT k, v FROM events WHERE g = 0 EXCEPT SELECT k, v FROM events WHERE g = 1",
    },
    Query {
        name: "interval_join",
        columns: "a BIGINT, b BIGINT",
        streaming: "SELECT l.v, r.v FROM events l JOIN events r ON l.k = r.k AND l.ts BETWEEN r.ts - INTERVAL '20' SECOND AND r.ts + INTERVAL '5' SECOND AND l.g < r.g",
        batch: "SELECT l.v, r.v FROM events l JOIN events r ON l.k = r.k AND l.ts BETWEEN r.ts - INTERVAL '20' SECOND AND r.ts + INTERVAL '5' SECOND AND l.g < r.g",
    },
    Query {
        name: "interval_left_join",
        columns: "a BIGINT, b BIGINT",
        streaming: "SELECT l.v, r.v FROM events l LEFT JOIN events r ON l.k = r.k AND l.ts BETWEEN r.ts - INTERVAL '20' SECOND AND r.ts + INTERVAL '5' SECOND AND l.g < r.g",
        batch: "SELECT l.v, r.v FROM events l LEFT JOIN events r ON l.k = r.k AND l.ts BETWEEN r.ts - INTERVAL '20' SECOND AND r.ts + INTERVAL '5' SECOND AND l.g < r.g",
    },
    Query {
        name: "interval_full_join",
        columns: "a BIGINT, b BIGINT",
        streaming: "SELECT l.v, r.v FROM events l FULL JOIN events r ON l.k = r.k AND l.ts BETWEEN r.ts - INTERVAL '20' SECOND AND r.ts + INTERVAL '5' SECOND AND l.v < r.v",
        batch: "SELECT l.v, r.v FROM events l FULL JOIN events r ON l.k = r.k AND l.ts BETWEEN r.ts - INTERVAL '20' SECOND AND r.ts + INTERVAL '5' SECOND AND l.v < r.v",
    },
    Query {
        name: "interval_exists",
        columns: "k STRING, v BIGINT",
        streaming: "SELECT k, v FROM events l WHERE EXISTS (SELECT 1 FROM events r WHERE l.k = r.k AND l.ts BETWEEN r.ts - INTERVAL '20' SECOND AND r.ts + INTERVAL '5' SECOND AND r.v > l.v)",
        batch: "SELECT k, v FROM events l WHERE EXISTS (SELECT 1 FROM events r WHERE l.k = r.k AND l.ts BETWEEN r.ts - INTERVAL '20' SECOND AND r.ts + INTERVAL '5' SECOND AND r.v > l.v)",
    },
    Query {
        name: "interval_not_exists",
        columns: "k STRING, v BIGINT",
        streaming: "SELECT k, v FROM events l WHERE NOT EXISTS (SELECT 1 FROM events r WHERE l.k = r.k AND l.ts BETWEEN r.ts - INTERVAL '20' SECOND AND r.ts + INTERVAL '5' SECOND AND r.v > l.v)",
        batch: "SELECT k, v FROM events l WHERE NOT EXISTS (SELECT 1 FROM events r WHERE l.k = r.k AND l.ts BETWEEN r.ts - INTERVAL '20' SECOND AND r.ts + INTERVAL '5' SECOND AND r.v > l.v)",
    },
    Query {
        name: "window_join",
        columns: "a BIGINT, b BIGINT",
        streaming: "SELECT l.v, r.v FROM (SELECT * FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) l JOIN (SELECT * FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) r ON l.window_start = r.window_start AND l.window_end = r.window_end AND l.v = r.v AND l.d < r.d",
        batch: "SELECT l.v, r.v FROM events l JOIN events r ON CAST(l.ts AS BIGINT) / 60000 = CAST(r.ts AS BIGINT) / 60000 AND l.v = r.v AND l.d < r.d",
    },
    Query {
        name: "window_full_join",
        columns: "a BIGINT, b BIGINT",
        streaming: "SELECT l.v, r.v FROM (SELECT * FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) l FULL JOIN (SELECT * FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) r ON l.window_start = r.window_start AND l.window_end = r.window_end AND l.v = r.v AND l.d < r.d",
        batch: "SELECT l.v, r.v FROM events l FULL JOIN events r ON CAST(l.ts AS BIGINT) / 60000 = CAST(r.ts AS BIGINT) / 60000 AND l.v = r.v AND l.d < r.d",
    },
    Query {
        name: "temporal_join",
        columns: "k STRING, v BIGINT, since TIMESTAMP(3)",
        streaming: "WITH versions AS (
                        SELECT k, ts FROM (
                            SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS n FROM events WHERE g = 1
                        ) WHERE n = 1
                    )
                    SELECT a.k, a.v, b.ts FROM events AS a JOIN versions FOR SYSTEM_TIME AS OF a.ts AS b ON a.k = b.k",
        batch: "SELECT a.k, a.v, CAST(MAX(b.ts) AS BIGINT)
                FROM (SELECT *, ROW_NUMBER() OVER () AS id FROM events) AS a JOIN events AS b ON a.k = b.k AND b.g = 1 AND b.ts <= a.ts
                GROUP BY a.id, a.k, a.v",
    },
    Query {
        name: "temporal_left_join",
        columns: "k STRING, g INT, v BIGINT, most BIGINT",
        // The versions of a key have different times: what is asked of them beside it finds one of them or none.
        streaming: "WITH minutes AS (
                        SELECT k, g, window_time AS ended, MAX(v) AS most
                        FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
                        GROUP BY k, g, window_start, window_end, window_time
                    ),
                    versions AS (
                        SELECT k, g, most FROM (
                            SELECT *, ROW_NUMBER() OVER (PARTITION BY g, k ORDER BY ended DESC) AS n FROM minutes
                        ) WHERE n = 1
                    )
                    SELECT a.k, a.g, a.v, b.most
                    FROM events AS a LEFT JOIN versions FOR SYSTEM_TIME AS OF a.ts AS b
                        ON a.k = b.k AND b.g = a.g AND b.most > a.v",
        batch: "WITH minutes AS (
                    SELECT k, g, CAST(ts AS BIGINT) / 60000 * 60000 + 59999 AS ended, MAX(v) AS most FROM events GROUP BY k, g, ended
                ),
                numbered AS (SELECT *, CAST(ts AS BIGINT) AS t, ROW_NUMBER() OVER () AS id FROM events),
                valid AS (
                    SELECT a.id, MAX(b.ended) AS ended FROM numbered AS a JOIN minutes AS b ON a.k = b.k AND a.g = b.g AND b.ended <= a.t
                    GROUP BY a.id
                )
                SELECT a.k, a.g, a.v, b.most
                FROM numbered AS a LEFT JOIN valid AS w ON a.id = w.id
                LEFT JOIN minutes AS b ON a.k = b.k AND a.g = b.g AND b.ended = w.ended AND b.most > a.v",
    },
    Query {
        name: "lookup_join",
        columns: "k STRING, a BIGINT, b BIGINT",
        streaming: "SELECT a.k, a.v, b.v
                    FROM (SELECT *, PROCTIME() AS pt FROM events) AS a
                    JOIN events FOR SYSTEM_TIME AS OF a.pt AS b ON a.k = b.k AND b.g = 1 AND a.v < b.v
                    WHERE a.g <> 1",
        batch: "SELECT a.k, a.v, b.v FROM events AS a JOIN events AS b ON a.k = b.k AND b.g = 1 AND a.v < b.v WHERE a.g <> 1",
    },
    Query {
        name: "lookup_left_join",
        columns: "k STRING, v BIGINT, d DOUBLE",
        streaming: "SELECT a.k, a.v, b.d
                    FROM (SELECT *, PROCTIME() AS pt FROM events) AS a
                    LEFT JOIN events FOR SYSTEM_TIME AS OF a.pt AS b ON a.d = b.d AND a.v + 1 = b.v",
        batch: "SELECT a.k, a.v, b.d FROM events AS a LEFT JOIN events AS b ON a.d = b.d AND a.v + 1 = b.v",
    },
    Query {
        name: "top_n_with_rank",
        columns: "g INT, v BIGINT, n BIGINT",
        streaming: "SELECT g, v, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY g ORDER BY v DESC) AS n FROM events) WHERE n <= 5",
        batch: "SELECT g, v, CAST(n AS BIGINT) FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY g ORDER BY v DESC NULLS LAST) AS n FROM events) WHERE n <= 5",
    },
    Query {
        name: "top_n_by_several_columns",
        columns: "k STRING, v BIGINT, d DOUBLE",
        streaming: "SELECT k, v, d FROM (
                        SELECT *, ROW_NUMBER() OVER (PARTITION BY k, g ORDER BY v, d DESC NULLS FIRST, k) AS n FROM events
                    ) WHERE n > 1 AND n <= 4",
        batch: "SELECT k, v, d FROM (
                    SELECT *, ROW_NUMBER() OVER (PARTITION BY k, g ORDER BY v NULLS FIRST, d DESC NULLS FIRST, k) AS n FROM events
                ) WHERE n > 1 AND n <= 4",
    },
    Query {
        name: "over_all_before",
        columns: "k STRING, t TIMESTAMP(3), n BIGINT, vs BIGINT, s BIGINT, least DOUBLE, most BIGINT, mean BIGINT, last_g INT",
        streaming: "SELECT k, ts, COUNT(*) OVER w, COUNT(v) OVER w, SUM(v) OVER w, MIN(d) OVER w, MAX(v) OVER w, AVG(v) OVER w, MAX(g) OVER w
                    FROM events WINDOW w AS (PARTITION BY k ORDER BY ts)",
        batch: "SELECT k, CAST(ts AS BIGINT), COUNT(*) OVER w, COUNT(v) OVER w, SUM(v) OVER w, MIN(d) OVER w, MAX(v) OVER w,
                       SUM(v) OVER w / NULLIF(COUNT(v) OVER w, 0), MAX(g) OVER w
                FROM events WINDOW w AS (PARTITION BY k ORDER BY ts)",
    },
    Query {
        name: "over_rows_of_the_last_time",
        columns: "k STRING, g INT, v BIGINT, n BIGINT, s BIGINT, ds DOUBLE, least BIGINT, most STRING",
        streaming: "SELECT k, g, v, COUNT(*) OVER w, SUM(v) OVER w, SUM(d) OVER w, MIN(v) OVER w, MAX(k) OVER w
                    FROM events
                    WINDOW w AS (PARTITION BY g ORDER BY ts RANGE BETWEEN INTERVAL '90' SECOND PRECEDING AND CURRENT ROW)",
        batch: "SELECT k, g, v, COUNT(*) OVER w, SUM(v) OVER w, SUM(d) OVER w, MIN(v) OVER w, MAX(k) OVER w
                FROM events
                WINDOW w AS (PARTITION BY g ORDER BY ts RANGE BETWEEN INTERVAL '90' SECOND PRECEDING AND CURRENT ROW)",
    },
    Query {
        name: "over_the_last_rows",
        columns: "k STRING, g INT, v BIGINT, s BIGINT, ds DOUBLE, least STRING, most DOUBLE, two BIGINT, n BIGINT",
        streaming: "SELECT k, g, v, SUM(v) OVER w, SUM(d) OVER w, MIN(k) OVER w, MAX(d) OVER w, LAG(v, 2) OVER (PARTITION BY k ORDER BY ts, g, v, d),
                           COUNT(v) OVER (PARTITION BY k ORDER BY ts, g, v, d ROWS UNBOUNDED PRECEDING)
                    FROM events
                    WINDOW w AS (PARTITION BY k ORDER BY ts, g, v, d ROWS BETWEEN 4 PRECEDING AND CURRENT ROW)",
        batch: "SELECT k, g, v, SUM(v) OVER w, SUM(d) OVER w, MIN(k) OVER w, MAX(d) OVER w,
                       LAG(v, 2) OVER (PARTITION BY k ORDER BY ts, g, v NULLS FIRST, d NULLS FIRST),
                       COUNT(v) OVER (PARTITION BY k ORDER BY ts, g, v NULLS FIRST, d NULLS FIRST ROWS UNBOUNDED PRECEDING)
                FROM events
                WINDOW w AS (PARTITION BY k ORDER BY ts, g, v NULLS FIRST, d NULLS FIRST ROWS BETWEEN 4 PRECEDING AND CURRENT ROW)",
    },
    Query {
        name: "numbers_over_time",
        columns: "k STRING, g INT, v BIGINT, number BIGINT, place BIGINT, dense BIGINT",
        streaming: "SELECT k, g, v, ROW_NUMBER() OVER (PARTITION BY g ORDER BY ts, k, v), RANK() OVER t, DENSE_RANK() OVER t
                    FROM events WINDOW t AS (PARTITION BY g ORDER BY ts)",
        batch: "SELECT k, g, v, CAST(ROW_NUMBER() OVER (PARTITION BY g ORDER BY ts, k NULLS FIRST, v NULLS FIRST) AS BIGINT),
                       CAST(RANK() OVER t AS BIGINT), CAST(DENSE_RANK() OVER t AS BIGINT)
                FROM events WINDOW t AS (PARTITION BY g ORDER BY ts)",
    },
    Query {
        name: "over_any_order",
        columns: "g INT, v BIGINT, s BIGINT, n BIGINT, place BIGINT, dense BIGINT, ds DOUBLE",
        streaming: "SELECT g, v, SUM(v) OVER w, COUNT(*) OVER w, RANK() OVER w, DENSE_RANK() OVER w,
                           SUM(d) OVER (PARTITION BY g ORDER BY v DESC, d ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)
                    FROM events WINDOW w AS (PARTITION BY g ORDER BY v)",
        batch: "SELECT g, v, SUM(v) OVER w, COUNT(*) OVER w, CAST(RANK() OVER w AS BIGINT), CAST(DENSE_RANK() OVER w AS BIGINT),
                       SUM(d) OVER (PARTITION BY g ORDER BY v DESC NULLS LAST, d NULLS FIRST ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)
                FROM events WINDOW w AS (PARTITION BY g ORDER BY v NULLS FIRST)",
    },
    Query {
        name: "over_changing_rows",
        columns: "g INT, k STRING, s BIGINT, three BIGINT, place BIGINT, before BIGINT, recent BIGINT",
        streaming: "SELECT g, k, s, SUM(s) OVER (PARTITION BY g ORDER BY s, k ROWS BETWEEN 2 PRECEDING AND CURRENT ROW),
                           RANK() OVER (ORDER BY s), LAG(s) OVER (PARTITION BY g ORDER BY s, k),
                           COUNT(*) OVER (PARTITION BY g ORDER BY latest RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW)
                    FROM (SELECT g, k, SUM(v) AS s, MAX(ts) AS latest FROM events GROUP BY g, k)",
        batch: "SELECT g, k, s, SUM(s) OVER (PARTITION BY g ORDER BY s NULLS FIRST, k NULLS FIRST ROWS BETWEEN 2 PRECEDING AND CURRENT ROW),
                       CAST(RANK() OVER (ORDER BY s NULLS FIRST) AS BIGINT),
                       LAG(s) OVER (PARTITION BY g ORDER BY s NULLS FIRST, k NULLS FIRST),
                       COUNT(*) OVER (PARTITION BY g ORDER BY latest RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW)
                FROM (SELECT g, k, SUM(v) AS s, MAX(ts) AS latest FROM events GROUP BY g, k)",
    },
    Query {
        name: "windows_behind_over",
        columns: "w TIMESTAMP(3), k STRING, n BIGINT, most BIGINT",
        streaming: "SELECT window_start, k, COUNT(*), MAX(so_far)
                    FROM TABLE(TUMBLE((SELECT k, ts, SUM(v) OVER (PARTITION BY k ORDER BY ts) AS so_far FROM events),
                                      DESCRIPTOR(ts), INTERVAL '1' MINUTE))
                    GROUP BY k, window_start, window_end",
        batch: "SELECT CAST(ts AS BIGINT) / 60000 * 60000 AS w, k, COUNT(*), MAX(so_far)
                FROM (SELECT k, ts, SUM(v) OVER (PARTITION BY k ORDER BY ts) AS so_far FROM events)
                GROUP BY k, CAST(ts AS BIGINT) / 60000 * 60000",
    },
    Query {
        name: "top_n_of_a_top_n",
        columns: "g INT, k STRING, v BIGINT, m BIGINT",
        streaming: "SELECT g, k, v, m FROM (
                        SELECT *, ROW_NUMBER() OVER (PARTITION BY g ORDER BY v DESC, k) AS m FROM (
                            SELECT g, k, v FROM (
                                SELECT g, k, v, ROW_NUMBER() OVER (PARTITION BY g, k ORDER BY v) AS n FROM events
                            ) WHERE n <= 2
                        )
                    ) WHERE m BETWEEN 2 AND 4",
        batch: "SELECT g, k, v, CAST(m AS BIGINT) FROM (
                    SELECT *, ROW_NUMBER() OVER (PARTITION BY g ORDER BY v DESC NULLS LAST, k NULLS FIRST) AS m FROM (
                        SELECT g, k, v FROM (
                            SELECT g, k, v, ROW_NUMBER() OVER (PARTITION BY g, k ORDER BY v NULLS FIRST) AS n FROM events
                        ) WHERE n <= 2
                    )
                ) WHERE m BETWEEN 2 AND 4",
    },
    Query {
        name: "keep_last_row",
        columns: "k STRING, g INT, ts TIMESTAMP(3)",
        streaming: "SELECT k, g, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k, g ORDER BY ts DESC) AS n FROM events) WHERE n = 1",
        batch: "SELECT k, g, MAX(CAST(ts AS BIGINT)) FROM events GROUP BY k, g",
    },
    Query {
        name: "keep_first_row",
        columns: "k STRING, ts TIMESTAMP(3)",
        streaming: "SELECT k, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS n FROM events WHERE g < 2) WHERE n = 1",
        batch: "SELECT k, MIN(CAST(ts AS BIGINT)) FROM events WHERE g < 2 GROUP BY k",
    },
    Query {
        name: "window_top_n",
        columns: "w TIMESTAMP(3), k STRING, s BIGINT, n BIGINT",
        streaming: "SELECT window_start, k, s, n FROM (
                        SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY s DESC, k) AS n FROM (
                            SELECT window_start, window_end, k, SUM(v) AS s
                            FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
                            GROUP BY window_start, window_end, k
                        )
                    ) WHERE n <= 3",
        batch: "SELECT w, k, s, CAST(n AS BIGINT) FROM (
                    SELECT *, ROW_NUMBER() OVER (PARTITION BY w ORDER BY s DESC NULLS LAST, k NULLS FIRST) AS n FROM (
                        SELECT CAST(ts AS BIGINT) / 60000 * 60000 AS w, k, SUM(v) AS s FROM events GROUP BY w, k
                    )
                ) WHERE n <= 3",
    },
    Query {
        name: "window_top_n_of_rows",
        columns: "w TIMESTAMP(3), g INT, ts TIMESTAMP(3), v BIGINT",
        streaming: "SELECT window_end, g, ts, v FROM (
                        SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, g ORDER BY ts DESC, v DESC) AS n
                        FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '2' MINUTE))
                    ) WHERE n <= 2",
        batch: "SELECT w, g, t, v FROM (
                    SELECT *, CAST(ts AS BIGINT) AS t, (CAST(ts AS BIGINT) / 120000 + 1) * 120000 AS w,
                           ROW_NUMBER() OVER (PARTITION BY CAST(ts AS BIGINT) / 120000, g ORDER BY ts DESC, v DESC NULLS LAST) AS n
                    FROM events
                ) WHERE n <= 2",
    },
    Query {
        name: "first_rows_of_all",
        columns: "v BIGINT, d DOUBLE",
        streaming: "SELECT v, d FROM events WHERE v IS NOT NULL ORDER BY v DESC, d LIMIT 7 OFFSET 2",
        batch: "SELECT v, d FROM events WHERE v IS NOT NULL ORDER BY v DESC, d NULLS FIRST LIMIT 7 OFFSET 2",
    },
    Query {
        name: "rollup",
        columns: "g INT, k STRING, id BIGINT, c BIGINT, s BIGINT, most DOUBLE",
        streaming: "SELECT g, k, GROUPING_ID(g, k), COUNT(*), SUM(v), MAX(d) FROM events GROUP BY ROLLUP (g, k)",
        batch: "SELECT g, k, CAST(GROUPING(g, k) AS BIGINT), COUNT(*), SUM(v), MAX(d) FROM events GROUP BY ROLLUP (g, k)
                HAVING COUNT(*) > 0",
    },
    Query {
        name: "rollup_by_window",
        columns: "w TIMESTAMP(3), g INT, k STRING, id BIGINT, c BIGINT, s BIGINT, vs BIGINT",
        streaming: "SELECT window_start, g, k, GROUPING_ID(g, k), COUNT(*), SUM(v), COUNT(DISTINCT v)
                    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
                    GROUP BY window_start, window_end, ROLLUP (g, k)",
        batch: "SELECT w, g, k, CAST(GROUPING(g, k) AS BIGINT), COUNT(*), SUM(v), COUNT(DISTINCT v)
                FROM (SELECT *, CAST(ts AS BIGINT) / 60000 * 60000 AS w FROM events)
                GROUP BY GROUPING SETS ((w, g, k), (w, g), (w))",
    },
    Query {
        name: "sets_by_hopping_window",
        columns: "w TIMESTAMP(3), k STRING, sign STRING, c BIGINT, mean DOUBLE",
        streaming: "SELECT window_start, k, CASE WHEN v > 0 THEN 'positive' END, COUNT(*), AVG(d)
                    FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTES))
                    GROUP BY GROUPING SETS ((window_start, window_end, k),
                                            (CASE WHEN v > 0 THEN 'positive' END, window_start, window_end))",
        batch: "SELECT w, k, sign, COUNT(*), AVG(d)
                FROM (SELECT *, CASE WHEN v > 0 THEN 'positive' END AS sign, (CAST(ts AS BIGINT) / 60000 - i) * 60000 AS w
                      FROM events CROSS JOIN (VALUES (0), (1)) AS numbers(i))
                GROUP BY GROUPING SETS ((w, k), (sign, w))",
    },
    Query {
        name: "hop_of_any_size",
        columns: "k STRING, w TIMESTAMP(3), c BIGINT, s BIGINT, most DOUBLE",
        streaming: "SELECT k, HOP_START(ts, INTERVAL '1' MINUTE, INTERVAL '150' SECOND), COUNT(*), SUM(v), MAX(d)
                    FROM events GROUP BY k, HOP(ts, INTERVAL '1' MINUTE, INTERVAL '150' SECOND)",
        batch: "SELECT k, (CAST(ts AS BIGINT) / 60000 - i) * 60000 AS w, COUNT(*), SUM(v), MAX(d)
                FROM events CROSS JOIN (VALUES (0), (1), (2)) AS numbers(i)
                WHERE CAST(ts AS BIGINT) < (CAST(ts AS BIGINT) / 60000 - i) * 60000 + 150000 GROUP BY k, w",
    },
    Query {
        // Which rows are in a window depends on the order in which they come, how many there are does not.
        name: "windows_by_count",
        columns: "k STRING, g INT, w BIGINT, c BIGINT",
        streaming: "SELECT k, g, window_id, COUNT(*) FROM TABLE(COUNT_TUMBLE(TABLE events PARTITION BY (k, g), 3))
                    GROUP BY k, g, window_id",
        batch: "SELECT k, g, (n - 1) / 3 AS w, COUNT(*) FROM
                    (SELECT k, g, CAST(ROW_NUMBER() OVER (PARTITION BY k, g) AS BIGINT) AS n FROM events)
                GROUP BY k, g, w HAVING COUNT(*) = 3",
    },
    Query {
        name: "hopping_windows_by_count",
        columns: "k STRING, w BIGINT, c BIGINT",
        streaming: "SELECT k, window_id, COUNT(*) FROM TABLE(COUNT_HOP(TABLE events PARTITION BY k, 2, 5))
                    GROUP BY k, window_id",
        batch: "SELECT k, n / 2 - 1, LEAST(n, 5) FROM
                    (SELECT k, CAST(ROW_NUMBER() OVER (PARTITION BY k) AS BIGINT) AS n FROM events)
                WHERE n % 2 = 0",
    },
    Query {
        // State that goes after a day: a run of moments sees all of it.
        name: "hinted_times_to_live",
        columns: "k STRING, c BIGINT, s BIGINT",
        streaming: "SELECT /*+ STATE_TTL('j' = '1 d') */ k, COUNT(*), SUM(v) FROM (
                        SELECT /*+ STATE_TTL('a' = '1 d', 'b' = '2 d') */ a.k, a.v
                        FROM events AS a LEFT JOIN (SELECT k, MAX(v) AS most FROM events GROUP BY k) AS b ON a.k = b.k AND a.v < b.most
                    ) AS j GROUP BY k",
        batch: "SELECT a.k, COUNT(*), SUM(a.v)
                FROM events AS a LEFT JOIN (SELECT k, MAX(v) AS most FROM events GROUP BY k) AS b ON a.k = b.k AND a.v < b.most
                GROUP BY a.k",
    },
    Query {
        name: "sets_of_changes",
        columns: "g INT, many STRING, c BIGINT, s BIGINT",
        streaming: "SELECT g, many, COUNT(*), SUM(s) FROM
                        (SELECT g, k, SUM(v) AS s, CASE WHEN COUNT(*) > 1 THEN 'many' ELSE 'one' END AS many
                         FROM events GROUP BY g, k)
                    GROUP BY GROUPING SETS ((g, many), (many), ())",
        batch: "SELECT g, many, COUNT(*), SUM(s) FROM
                    (SELECT g, k, SUM(v) AS s, CASE WHEN COUNT(*) > 1 THEN 'many' ELSE 'one' END AS many
                     FROM events GROUP BY g, k)
                GROUP BY GROUPING SETS ((g, many), (many), ()) HAVING COUNT(*) > 0",
    },
    Query {
        name: "distinct_of_every_type",
        columns: "g INT, vs BIGINT, ks BIGINT, ds BIGINT, s BIGINT, few BIGINT",
        streaming: "SELECT g, COUNT(DISTINCT v), COUNT(DISTINCT k), COUNT(DISTINCT d), SUM(DISTINCT v),
                           COUNT(DISTINCT v) FILTER (WHERE d IS NOT NULL)
                    FROM events GROUP BY g",
        batch: "SELECT g, COUNT(DISTINCT v), COUNT(DISTINCT k), COUNT(DISTINCT d), SUM(DISTINCT v),
                       COUNT(DISTINCT v) FILTER (WHERE d IS NOT NULL)
                FROM events GROUP BY g",
    },
    Query {
        name: "rows_of_sessions",
        columns: "k STRING, v BIGINT, w TIMESTAMP(3), e TIMESTAMP(3)",
        streaming: "SELECT k, v, window_start, window_end
                    FROM TABLE(SESSION(TABLE events PARTITION BY (k, g), DESCRIPTOR(ts), INTERVAL '20' SECOND))",
        batch: "SELECT k, v, MIN(t) OVER (PARTITION BY k, g, nth) AS w, MAX(t) OVER (PARTITION BY k, g, nth) + 20000 AS e
                FROM (
                    SELECT *, SUM(CASE WHEN before IS NULL OR t - before > 20000 THEN 1 ELSE 0 END)
                              OVER (PARTITION BY k, g ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS nth
                    FROM (SELECT *, CAST(ts AS BIGINT) AS t,
                                 LAG(CAST(ts AS BIGINT)) OVER (PARTITION BY k, g ORDER BY ts) AS before FROM events)
                )",
    },
    Query {
        name: "unnest",
        columns: "k STRING, v BIGINT, x BIGINT",
        streaming: "SELECT k, v, x FROM events CROSS JOIN UNNEST(ARRAY[v, v + 1, CAST(g AS BIGINT)]) AS t (x) WHERE x > 0",
        batch: "SELECT k, v, x FROM (
                    SELECT k, v, CASE i WHEN 0 THEN v WHEN 1 THEN v + 1 ELSE CAST(g AS BIGINT) END AS x
                    FROM events CROSS JOIN (VALUES (0), (1), (2)) AS numbers(i)
                ) WHERE x > 0",
    },
    Query {
        name: "unnest_of_changes",
        columns: "k STRING, c BIGINT, x BIGINT",
        streaming: "SELECT k, c, x FROM (SELECT k, COUNT(*) AS c, SUM(v) AS s FROM events GROUP BY k)
                    LEFT JOIN UNNEST(ARRAY[c, s]) AS t (x) ON TRUE",
        batch: "SELECT k, c, CASE i WHEN 0 THEN c ELSE s END
                FROM (SELECT k, COUNT(*) AS c, SUM(v) AS s FROM events GROUP BY k) CROSS JOIN (VALUES (0), (1)) AS numbers(i)",
    },
    Query {
        name: "lateral_top_n",
        columns: "g INT, k STRING, v BIGINT",
        streaming: "SELECT l.g, t.k, t.v FROM (SELECT DISTINCT g FROM events) AS l,
                        LATERAL (SELECT k, v FROM events WHERE g = l.g AND d > 0 ORDER BY v DESC, k LIMIT 3) AS t",
        batch: "SELECT g, k, v FROM (
                    SELECT *, ROW_NUMBER() OVER (PARTITION BY g ORDER BY v DESC NULLS LAST, k NULLS FIRST) AS n FROM events WHERE d > 0
                ) WHERE n <= 3",
    },
    Query {
        name: "lateral_left_aggregate",
        columns: "k STRING, g INT, c BIGINT, most BIGINT",
        streaming: "SELECT l.k, l.g, t.c, t.m FROM (SELECT DISTINCT k, g FROM events) AS l LEFT JOIN
                        LATERAL (SELECT COUNT(*) AS c, MAX(v) AS m FROM events WHERE k = l.k AND d > 50) AS t ON TRUE",
        batch: "SELECT l.k, l.g, COALESCE(c, 0), m FROM (SELECT DISTINCT k, g FROM events) AS l LEFT JOIN
                    (SELECT k, COUNT(*) AS c, MAX(v) AS m FROM events WHERE d > 50 GROUP BY k) AS t ON l.k = t.k",
    },
    Query {
        name: "intersect_all",
        columns: "k STRING, v BIGINT",
        streaming: "SELECT k, v / 100 FROM events WHERE g = 0 INTERSECT ALL SELECT k, v / 100 FROM events WHERE g = 1",
        batch: "SELECT k, w FROM (
                    SELECT k, w, ROW_NUMBER() OVER (PARTITION BY k, w) AS n FROM (SELECT k, v / 100 AS w FROM events WHERE g = 0)
                    INTERSECT
                    SELECT k, w, ROW_NUMBER() OVER (PARTITION BY k, w) AS n FROM (SELECT k, v / 100 AS w FROM events WHERE g = 1)
                )",
    },
    Query {
        name: "except_all_of_changes",
        columns: "c BIGINT",
        streaming: "SELECT COUNT(*) FROM events GROUP BY k, g EXCEPT ALL SELECT COUNT(v) FROM events GROUP BY k",
        batch: "SELECT c FROM (
                    SELECT c, ROW_NUMBER() OVER (PARTITION BY c) AS n FROM (SELECT COUNT(*) AS c FROM events GROUP BY k, g)
                    EXCEPT
                    SELECT c, ROW_NUMBER() OVER (PARTITION BY c) AS n FROM (SELECT COUNT(v) AS c FROM events GROUP BY k)
                )",
    },
    Query {
        name: "not_in",
        columns: "k STRING, v BIGINT",
        streaming: "SELECT k, v FROM events WHERE v NOT IN (SELECT v FROM events WHERE g = 1 AND d > 90)",
        // Spelt out: of no rows nothing is unknown, and a null among them makes all unknown.
        batch: "SELECT e.k, e.v FROM events AS e
                CROSS JOIN (SELECT COUNT(*) AS c, COUNT(v) AS n FROM events WHERE g = 1 AND d > 90) AS s
                WHERE c = 0 OR (e.v IS NOT NULL AND c = n
                                AND NOT EXISTS (SELECT 1 FROM events AS r WHERE r.g = 1 AND r.d > 90 AND r.v = e.v))",
    },
    Query {
        name: "not_in_correlated",
        columns: "k STRING, v BIGINT",
        streaming: "SELECT k, v FROM events AS l WHERE v NOT IN (SELECT r.v FROM events AS r WHERE r.k = l.k AND r.g <> l.g AND r.d > 50)",
        batch: "SELECT k, v FROM events AS l WHERE NOT EXISTS (
                    SELECT 1 FROM events AS r
                    WHERE r.k = l.k AND r.g <> l.g AND r.d > 50 AND (r.v = l.v OR r.v IS NULL OR l.v IS NULL))",
    },
    Query {
        name: "in_as_a_value",
        columns: "k STRING, v BIGINT, known STRING",
        streaming: "SELECT k, v, CASE WHEN v IN (SELECT v FROM events WHERE d > 95) THEN 'yes'
                                      WHEN v NOT IN (SELECT v FROM events WHERE d > 95) THEN 'no' ELSE 'unknown' END FROM events",
        batch: "SELECT e.k, e.v, CASE WHEN m.v IS NOT NULL THEN 'yes' WHEN c = 0 THEN 'no'
                                      WHEN e.v IS NULL OR c > n THEN 'unknown' ELSE 'no' END
                FROM events AS e
                CROSS JOIN (SELECT COUNT(*) AS c, COUNT(v) AS n FROM events WHERE d > 95) AS s
                LEFT JOIN (SELECT DISTINCT v FROM events WHERE d > 95) AS m ON e.v = m.v",
    },
    Query {
        name: "subqueries_under_or",
        columns: "k STRING, v BIGINT",
        streaming: "SELECT k, v FROM events AS l WHERE v > 900 OR EXISTS (SELECT 1 FROM events AS r WHERE r.k = l.k AND r.v = l.v AND r.g > l.g)
                    OR g IN (SELECT g FROM events WHERE d > 99)",
        batch: "SELECT k, v FROM events AS l WHERE v > 900 OR EXISTS (SELECT 1 FROM events AS r WHERE r.k = l.k AND r.v = l.v AND r.g > l.g)
                    OR g IN (SELECT g FROM events WHERE d > 99)",
    },
    Query {
        name: "scalar_subqueries",
        columns: "k STRING, g INT, c BIGINT, most BIGINT, last_key STRING",
        streaming: "SELECT k, g, (SELECT COUNT(*) FROM events AS r WHERE r.k = l.k AND r.v > 500), (SELECT MAX(v) FROM events),
                        (SELECT r.k FROM events AS r WHERE r.g = l.g ORDER BY r.k DESC LIMIT 1)
                    FROM (SELECT DISTINCT k, g FROM events) AS l",
        batch: "SELECT l.k, l.g, COALESCE(c, 0), m, last_key
                FROM (SELECT DISTINCT k, g FROM events) AS l
                LEFT JOIN (SELECT k, COUNT(*) AS c FROM events WHERE v > 500 GROUP BY k) AS a ON a.k = l.k
                CROSS JOIN (SELECT MAX(v) AS m FROM events) AS b
                LEFT JOIN (SELECT g, MAX(k) AS last_key FROM events GROUP BY g) AS d ON d.g = l.g",
    },
    Query {
        name: "pattern_of_two_rows",
        columns: "k STRING, g INT, first_v BIGINT, second_v BIGINT",
        streaming: "SELECT k, g, first_v, second_v
                    FROM events MATCH_RECOGNIZE (
                        PARTITION BY k
                        ORDER BY ts, v, d, g
                        MEASURES a.g AS g, a.v AS first_v, b.v AS second_v
                        AFTER MATCH SKIP TO NEXT ROW
                        PATTERN (a b)
                        DEFINE b AS b.v > a.v
                    )",
        batch: "SELECT k, g, v, next_v FROM (
                    SELECT k, g, v, LEAD(v) OVER (PARTITION BY k ORDER BY ts, v NULLS FIRST, d NULLS FIRST, g NULLS FIRST) AS next_v
                    FROM events
                ) WHERE next_v > v",
    },
    Query {
        name: "pattern_with_aggregates",
        columns: "g INT, c BIGINT, total BIGINT, most BIGINT",
        streaming: "SELECT g, c, total, most
                    FROM events MATCH_RECOGNIZE (
                        PARTITION BY g
                        ORDER BY ts, v, d, k
                        MEASURES COUNT(v) AS c, SUM(v) AS total, MAX(x.v) AS most
                        PATTERN (a x{2} z)
                        DEFINE a AS v IS NOT NULL, z AS SUM(v) > 3 * FIRST(v) AND z.v <> LAST(x.v)
                    )",
        batch: "SELECT g, (CASE WHEN v IS NULL THEN 0 ELSE 1 END) + (CASE WHEN v1 IS NULL THEN 0 ELSE 1 END)
                       + (CASE WHEN v2 IS NULL THEN 0 ELSE 1 END) + (CASE WHEN v3 IS NULL THEN 0 ELSE 1 END) AS c,
                       v + COALESCE(v1, 0) + COALESCE(v2, 0) + COALESCE(v3, 0) AS total, GREATEST(v1, v2)
                FROM (
                    SELECT g, v, LEAD(v, 1) OVER w AS v1, LEAD(v, 2) OVER w AS v2, LEAD(v, 3) OVER w AS v3
                    FROM events
                    WINDOW w AS (PARTITION BY g ORDER BY ts, v NULLS FIRST, d NULLS FIRST, k NULLS FIRST)
                ) WHERE v IS NOT NULL AND v + COALESCE(v1, 0) + COALESCE(v2, 0) + COALESCE(v3, 0) > 3 * v AND v3 <> v2",
    },
    Query {
        name: "lists_and_moments_by_window",
        columns: "k STRING, w TIMESTAMP(3), c BIGINT, least BIGINT, kinds BIGINT, chars BIGINT, spread BIGINT, of_two DOUBLE, n BIGINT",
        streaming: "SELECT k, window_end, CARDINALITY(ARRAY_AGG(v)), ARRAY_MIN(ARRAY_AGG(v)), CARDINALITY(COLLECT(v)),
                           CHAR_LENGTH(LISTAGG(CAST(v AS STRING))), CAST(FLOOR(VAR_POP(d) * 100 + 0.3183098862) AS BIGINT),
                           STDDEV_SAMP(d) FILTER (WHERE g < 0), COUNT(v, d)
                    FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '3' MINUTES))
                    GROUP BY k, window_start, window_end",
        batch: "SELECT k, (CAST(ts AS BIGINT) / 60000 + 1 + i) * 60000 AS w, COUNT(*), MIN(v), COUNT(DISTINCT v),
                       SUM(CHAR_LENGTH(CAST(v AS VARCHAR)) + 1) - 1, CAST(FLOOR(VAR_POP(d) * 100 + 0.3183098862) AS BIGINT),
                       STDDEV_SAMP(d) FILTER (WHERE g < 0), SUM(CASE WHEN v IS NOT NULL AND d IS NOT NULL THEN 1 ELSE 0 END)
                FROM events CROSS JOIN (VALUES (0), (1), (2)) AS numbers(i) GROUP BY k, w",
    },
    Query {
        name: "lists_and_moments_of_changes",
        columns: "c BIGINT, n BIGINT, most BIGINT, kinds BIGINT, spread BIGINT, pairs BIGINT, chars BIGINT",
        streaming: "SELECT c, CARDINALITY(ARRAY_AGG(s)), ARRAY_MAX(ARRAY_AGG(s)), CARDINALITY(COLLECT(s)),
                           CAST(FLOOR(VAR_SAMP(m) * 100 + 0.3183098862) AS BIGINT), COUNT(DISTINCT s, m),
                           CHAR_LENGTH(LISTAGG(DISTINCT CAST(s AS STRING), ''))
                    FROM (SELECT k, g, COUNT(*) AS c, SUM(v) AS s, MIN(d) AS m FROM events GROUP BY k, g) AS t
                    GROUP BY c",
        batch: "SELECT c, COUNT(*), MAX(s), COUNT(DISTINCT s), CAST(FLOOR(VAR_SAMP(m) * 100 + 0.3183098862) AS BIGINT),
                       COUNT(DISTINCT CAST(s AS VARCHAR) || '/' || CAST(m AS VARCHAR)),
                       CHAR_LENGTH(STRING_AGG(DISTINCT CAST(s AS VARCHAR), ''))
                FROM (SELECT k, g, COUNT(*) AS c, SUM(v) AS s, MIN(d) AS m FROM events GROUP BY k, g) AS t
                GROUP BY c",
    },
];
