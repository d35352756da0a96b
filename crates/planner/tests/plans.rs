//! What scripts become.

mod common;

use common::{plan_on_tables, plan_sql};
use weir_planner::{PlanOptions, plan};
use weir_proto::graph::{edge::Partitioning, operator::Spec};

async fn check(sql: &str) -> String {
    match plan_on_tables(sql).await {
        Ok(planned) => planned.text,
        Err(problem) => panic!("{problem}\n{sql}"),
    }
}

async fn nexmark(query: &str) -> String {
    let folder = format!("{}/../../bench/nexmark", env!("CARGO_MANIFEST_DIR"));
    let read = |file: String| std::fs::read_to_string(file).expect("the query is there");
    let sql = read(format!("{folder}/tables.sql")) + &read(format!("{folder}/queries/{query}.sql"));
    match plan_sql(&sql).await {
        Ok(planned) => planned.text,
        Err(problem) => panic!("{problem}"),
    }
}

#[tokio::test]
async fn projections_filters_and_views_melt_into_one_calc() {
    insta::assert_snapshot!(
        check(
            "CREATE VIEW v AS SELECT page, amount + 1 AS more FROM clicks WHERE amount > 0;
         INSERT INTO pages SELECT UPPER(page), CAST(more AS BIGINT) FROM v WHERE page <> 'x';"
        )
        .await
    );
}

#[tokio::test]
async fn a_calc_without_a_filter_is_the_sources_own_projection() {
    insta::assert_snapshot!(check("INSERT INTO pages SELECT page, amount * 2 FROM clicks;").await);
}

#[tokio::test]
async fn a_filter_on_columns_that_are_passed_on_is_the_sources_own() {
    insta::assert_snapshot!(
        check("INSERT INTO pages SELECT page, amount FROM clicks WHERE amount > 3;").await
    );
}

#[tokio::test]
async fn a_column_only_filtered_by_is_dropped_behind_the_filter() {
    insta::assert_snapshot!(
        check("INSERT INTO pages (page) SELECT page FROM clicks WHERE amount > 3;").await
    );
}

#[tokio::test]
async fn a_windowed_aggregate_has_two_phases() {
    insta::assert_snapshot!(
        check(
            "INSERT INTO wide
         SELECT COUNT(*), page, CAST(AVG(price) AS DOUBLE), window_end
         FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
         WHERE amount > 0
         GROUP BY window_start, window_end, page
         HAVING SUM(amount) > 10;"
        )
        .await
    );
}

#[tokio::test]
async fn windows_are_named_by_argument_and_read_views_and_queries() {
    insta::assert_snapshot!(check(
        "CREATE VIEW big AS SELECT page AS p, ts AS at FROM clicks WHERE amount > 100;
         INSERT INTO pages SELECT p, COUNT(*) FROM TABLE(TUMBLE(
            DATA => TABLE big, TIMECOL => DESCRIPTOR(at), SIZE => INTERVAL '1' HOUR, `OFFSET` => INTERVAL '10' MINUTE))
         GROUP BY window_start, window_end, p;
         INSERT INTO pages SELECT p, MAX(amount) FROM TUMBLE(
            (SELECT LOWER(page) AS p, amount, ts FROM clicks), DESCRIPTOR(ts), INTERVAL '1' DAY)
         GROUP BY p, window_start, window_end;"
    ).await);
}

#[tokio::test]
async fn a_window_without_keys_is_computed_in_one_place() {
    insta::assert_snapshot!(check(
        "INSERT INTO pages (amount) SELECT SUM(amount)
         FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;"
    ).await);
}

#[tokio::test]
async fn windows_of_windows_follow_the_window_time() {
    insta::assert_snapshot!(check(
        "CREATE VIEW minutes AS SELECT page, COUNT(*) AS n, window_time AS at
         FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         GROUP BY window_start, window_end, window_time, page;
         INSERT INTO pages SELECT page, SUM(n) FROM TABLE(TUMBLE(TABLE minutes, DESCRIPTOR(at), INTERVAL '1' HOUR))
         GROUP BY window_start, window_end, page;"
    ).await);
}

#[tokio::test]
async fn windows_need_no_aggregate() {
    insta::assert_snapshot!(
        check(
            "INSERT INTO wide (b, d) SELECT page, window_start
         FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND));"
        )
        .await
    );
}

#[tokio::test]
async fn nested_fields_are_read_alone() {
    let planned = plan_on_tables(
        "INSERT INTO pages SELECT item.name, item.size.width FROM orders WHERE orders.item.size.height > 2;",
    )
    .await
    .expect("plans");
    insta::assert_snapshot!(planned.text);
    let Some(Spec::Source(source)) = &planned.graph.operators[0].spec else {
        panic!("no source first")
    };
    let scan = weir_proto::schema::decode(&source.scan_schema).expect("decodes");
    let types: Vec<_> = scan
        .fields()
        .iter()
        .map(|f| format!("{} {}", f.name(), weir_proto::convert::sql_type(f.data_type())))
        .collect();
    insta::assert_snapshot!(types.join(", "));
}

#[tokio::test]
async fn what_two_queries_have_in_common_is_computed_once() {
    insta::assert_snapshot!(
        check(
            "CREATE VIEW per_page AS
             SELECT page, window_start, COUNT(*) AS n
             FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
             GROUP BY page, window_start, window_end;
             INSERT INTO pages SELECT page, n FROM per_page WHERE n > 1;
             INSERT INTO pages SELECT page, n FROM per_page WHERE n <= 1;"
        )
        .await
    );
}

#[tokio::test]
async fn scans_of_one_table_share_its_source() {
    insta::assert_snapshot!(
        check(
            "EXECUTE STATEMENT SET BEGIN
         INSERT INTO pages SELECT page, amount FROM clicks WHERE amount > 1;
         INSERT INTO wide (b) SELECT `user` FROM clicks;
         END;"
        )
        .await
    );
}

#[tokio::test]
async fn an_expression_that_is_read_twice_is_computed_once() {
    insta::assert_snapshot!(
        check(
            "INSERT INTO pages SELECT p || p, 1 FROM (SELECT UPPER(page) AS p FROM clicks) WHERE p <> 'X';"
        )
        .await
    );
}

#[tokio::test]
async fn what_may_fail_is_computed_for_rows_that_pass_the_rest() {
    insta::assert_snapshot!(
        check("INSERT INTO pages SELECT page, amount FROM clicks WHERE 10 / amount > 1 AND amount <> 0;")
            .await
    );
}

#[tokio::test]
async fn nexmark_q0_reads_flat_columns() {
    insta::assert_snapshot!(nexmark("q0").await);
}

#[tokio::test]
async fn nexmark_q1_computes_one_column() {
    insta::assert_snapshot!(nexmark("q1").await);
}

#[tokio::test]
async fn nexmark_q2_reads_three_columns() {
    insta::assert_snapshot!(nexmark("q2").await);
}

#[tokio::test]
async fn nexmark_tumble_count_computes_event_time_once() {
    insta::assert_snapshot!(nexmark("tumble-count").await);
}

#[tokio::test]
async fn settings_reach_the_graph() {
    let planned = plan_on_tables(
        "SET 'pipeline.name' = 'my job'; SET 'parallelism.default' = '3'; SET 'pipeline.auto-watermark-interval' = '0';
         SET 'execution.exchange.linger' = '7 ms'; SET 'execution.runtime-mode' = 'streaming';
         SET 'table.exec.source.idle-timeout' = '2 s';
         INSERT INTO pages SELECT page, COUNT(*) FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' SECOND))
         GROUP BY window_start, window_end, page;",
    )
    .await
    .expect("plans");
    let settings = planned.graph.settings.expect("settings");
    assert_eq!((planned.name.as_str(), planned.parallelism), ("my job", 3));
    assert_eq!(
        (settings.auto_watermark_interval_ms, settings.exchange_linger_ms),
        (0, 7)
    );
    assert_eq!((settings.batch_rows, settings.channel_bytes), (8192, 1 << 20));
    assert!(
        planned
            .graph
            .operators
            .iter()
            .all(|operator| operator.parallelism == 3)
    );
    let Some(Spec::Source(source)) = &planned.graph.operators[0].spec else {
        panic!("no source first")
    };
    assert_eq!(source.watermark.as_ref().map(|w| w.idle_timeout_ms), Some(2_000));
}

#[tokio::test]
async fn the_requests_parallelism_wins_over_the_scripts() {
    let sql = format!(
        "{}SET 'parallelism.default' = '3'; INSERT INTO pages SELECT page, amount FROM clicks;",
        common::TABLES
    );
    let planned = plan(
        &sql,
        &PlanOptions {
            parallelism: Some(5),
            ..PlanOptions::default()
        },
    )
    .await
    .expect("plans");
    assert_eq!(planned.parallelism, 5);
    assert_eq!(planned.name, "insert into pages");
}

#[tokio::test]
async fn tasks_are_cut_at_the_shuffle_and_ids_are_positions() {
    let planned = plan_on_tables(
        "INSERT INTO pages SELECT page, COUNT(*) FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' SECOND))
         GROUP BY window_start, window_end, page;",
    )
    .await
    .expect("plans");
    let graph = &planned.graph;
    let kinds: Vec<_> = graph
        .operators
        .iter()
        .map(|o| (o.name.as_str(), o.task))
        .collect();
    assert_eq!(
        kinds,
        [
            ("Source: clicks", 0),
            ("Local TUMBLE 1 s", 0),
            ("TUMBLE 1 s", 1),
            ("Calc", 1),
            ("Sink: pages", 1)
        ]
    );
    assert!(
        graph
            .operators
            .iter()
            .enumerate()
            .all(|(i, o)| o.id as usize == i)
    );
    let shuffled: Vec<_> = graph
        .edges
        .iter()
        .filter(|e| matches!(e.partitioning, Some(Partitioning::Hash(_))))
        .map(|e| (e.from, e.to))
        .collect();
    assert_eq!(shuffled, [(1, 2)]);
}

async fn uids(sql: &str) -> Vec<String> {
    let planned = plan_on_tables(sql).await.expect("plans");
    planned.graph.operators.into_iter().map(|o| o.uid).collect()
}

/// The uids that begin like this.
async fn uids_of(kind: &str, sql: &str) -> Vec<String> {
    let mut uids = uids(sql).await;
    uids.retain(|uid| uid.starts_with(&format!("sink-wide/{kind}")));
    uids
}

#[tokio::test]
async fn uids_of_state_survive_a_filter_a_column_and_an_aggregate() {
    let with = |select: &str, filter: &str, having: &str| {
        format!(
            "INSERT INTO wide (a, b) SELECT {select} FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' SECOND)) {filter}
             GROUP BY window_start, window_end, page {having};"
        )
    };
    let before = uids(&with("COUNT(*), page", "", "")).await;
    let state = "sink-wide/window-aggregate(page)".to_owned();
    for changed in [
        with("COUNT(*) + 1, UPPER(page)", "", "HAVING COUNT(*) > 1"),
        with("SUM(amount), page", "WHERE amount > 3", ""),
    ] {
        let after = uids(&changed).await;
        assert!(
            before.contains(&state) && after.contains(&state),
            "{before:?} {after:?}"
        );
    }
    assert!(before.contains(&"source-clicks".to_owned()) && before.contains(&"sink-wide".to_owned()));
}

#[tokio::test]
async fn uids_name_keys_by_their_origin_and_not_by_their_name_on_the_way() {
    let by = |key: &str| {
        format!(
            "INSERT INTO wide (a) SELECT COUNT(*) FROM (SELECT page AS p, amount AS x FROM clicks) GROUP BY {key};"
        )
    };
    let page = uids_of("group-aggregate", &by("p")).await;
    assert_eq!(
        page.last().map(String::as_str),
        Some("sink-wide/group-aggregate(page)")
    );
    let amount = uids_of("group-aggregate", &by("x + 1")).await;
    assert_eq!(
        amount.last().map(String::as_str),
        Some("sink-wide/group-aggregate(amount + 1)")
    );
}

#[tokio::test]
async fn an_operator_beside_another_one_leaves_its_uid_alone() {
    let with = |left: &str| {
        format!(
            "INSERT INTO wide (a) SELECT r.n FROM {left} AS l
             JOIN (SELECT page, COUNT(*) AS n FROM clicks GROUP BY page) AS r ON l.amount = r.n;"
        )
    };
    let right = "sink-wide/group-aggregate(page)".to_owned();
    let join = "sink-wide/join(CAST(amount AS BIGINT); COUNT(*))".to_owned();
    for left in ["clicks", "(SELECT amount FROM clicks GROUP BY amount)"] {
        let uids = uids(&with(left)).await;
        assert!(uids.contains(&right) && uids.contains(&join), "{uids:?}");
    }
}

#[tokio::test]
async fn every_uid_of_a_job_is_its_own() {
    let sql = "INSERT INTO wide (a) SELECT COUNT(*) FROM clicks GROUP BY page;
               INSERT INTO wide (a) SELECT SUM(amount) FROM clicks GROUP BY page;
               INSERT INTO wide (a) SELECT MAX(n) FROM (SELECT page, COUNT(*) AS n FROM clicks GROUP BY page) GROUP BY page;";
    let uids = uids(sql).await;
    let distinct: std::collections::BTreeSet<_> = uids.iter().collect();
    assert_eq!(distinct.len(), uids.len(), "{uids:?}");
}

#[tokio::test]
async fn numbers_are_ints_and_equal_names_are_told_apart() {
    insta::assert_snapshot!(
        check(
            "CREATE TABLE ints (a INT, b INT, c INT, d BIGINT) WITH ('connector' = 'blackhole');
             INSERT INTO ints SELECT amount % 2, amount, amount, 3000000000 FROM clicks;"
        )
        .await
    );
}

#[tokio::test]
async fn counting_a_number_counts_rows_and_a_position_groups() {
    insta::assert_snapshot!(
        check(
            "INSERT INTO pages SELECT page, COUNT(1)
             FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY 1, window_start, window_end;"
        )
        .await
    );
}

#[tokio::test]
async fn nexmark_q20_joins_by_the_key_and_filters_before() {
    insta::assert_snapshot!(nexmark("q20").await);
}

#[tokio::test]
async fn nexmark_q4_joins_tables_with_commas_by_the_key() {
    insta::assert_snapshot!(nexmark("q4").await);
}

#[tokio::test]
async fn state_is_kept_as_hints_say_and_else_as_the_setting_does() {
    let text = check(
        "SET 'table.exec.state.ttl' = '1 h';
         INSERT INTO pages SELECT /*+ STATE_TTL('j' = '2 d') */ page, COUNT(*) FROM (
             SELECT /*+ STATE_TTL('c' = '3 d', 'd' = '0 s', 'e' = '1 min') */ c.page FROM clicks AS c
             JOIN orders AS d ON c.page = d.name
             JOIN (SELECT /*+ STATE_TTL('orders' = '5 d') */ name, MAX(id) AS id FROM orders GROUP BY name) AS e
             ON c.page = e.name
         ) AS j GROUP BY page",
    )
    .await;
    let kept = text.lines().filter_map(|line| line.split_once("KEPT "));
    let kept = kept.filter_map(|(_, rest)| rest.split_once(" (#"));
    let kept: Vec<&str> = kept.map(|(how_long, _)| how_long).collect();
    assert_eq!(
        kept,
        [
            "FOR 2 d",
            "FOR 1 h, RIGHT FOR 1 min",
            "FOR 3 d, RIGHT FOR EVER",
            "FOR 5 d"
        ],
        "{text}"
    );
}

/// A source whose late rows go to a table of their own.
const LATE: &str = "
    CREATE TABLE visits (id BIGINT, page STRING, host STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
    WITH ('connector' = 'datagen', 'number-of-rows' = '10', 'late.sink' = 'late');
    CREATE TABLE late (page STRING, host STRING, late_by BIGINT, late_operator STRING) WITH ('connector' = 'blackhole');";

#[tokio::test]
async fn late_rows_leave_the_operator_that_drops_them_with_columns_that_it_does_not_read() {
    insta::assert_snapshot!(
        check(&format!(
            "{LATE}
         INSERT INTO pages SELECT page, COUNT(*) FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         WHERE id > 3 GROUP BY page, window_start, window_end;"
        ))
        .await
    );
}

#[tokio::test]
async fn late_rows_of_several_operators_meet_and_other_readers_see_nothing_of_it() {
    insta::assert_snapshot!(
        check(&format!(
            "{LATE}
         CREATE VIEW both_of_them AS SELECT page, ts FROM visits WHERE id > 3 UNION ALL SELECT host, ts FROM visits WHERE id < 3;
         BEGIN STATEMENT SET;
         INSERT INTO pages SELECT page, COUNT(*) FROM TABLE(HOP(TABLE both_of_them, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))
         GROUP BY page, window_start, window_end;
         INSERT INTO pages SELECT page, COUNT(*) FROM both_of_them GROUP BY page;
         INSERT INTO pages (page) SELECT page FROM visits ORDER BY ts;
         END;"
        ))
        .await
    );
}

#[tokio::test]
async fn it_is_said_when_nobody_drops_late_rows() {
    insta::assert_snapshot!(check(&format!("{LATE} INSERT INTO pages SELECT page, id FROM visits;")).await);
}

#[tokio::test]
async fn early_and_late_results_take_one_phase() {
    insta::assert_snapshot!(
        check(
            "SET 'table.exec.emit.early-fire.enabled' = 'true';
         SET 'table.exec.emit.early-fire.delay' = '5 s';
         SET 'table.exec.emit.allow-lateness' = '1 min';
         INSERT INTO pages SELECT page, COUNT(*) FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
         GROUP BY window_start, window_end, page;"
        )
        .await
    );
}
