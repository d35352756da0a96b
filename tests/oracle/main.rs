//! The batch oracle: on bounded input, what a streaming query gives equals what a batch engine computes.
//!
//! Inputs are random: out of order, with nulls, duplicates and hot keys, in several files. The streaming side runs at
//! parallelism 1, 2 and 4; the batch side is DataFusion over the same rows in memory. Watermarks wait longer than the input
//! spans, so that no row is late.
//!
//! `WEIR_ORACLE_CASES` says how many inputs each query gets (32); `WEIR_ORACLE_SEED` makes those of a failure again.

use std::{
    fmt::Write as _,
    fs,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow, ensure};
use arrow_array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use datafusion::prelude::SessionContext;
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};
use weir_tests::{changes, local};

mod queries;
mod rows;

use queries::{QUERIES, Query};

/// 2024-03-01T10:00:00Z.
const BEGIN_MS: i64 = 1_709_287_200_000;
/// All events lie within this time.
const SPAN_MS: i64 = 600_000;

/// One input row; `ts` is never null.
#[derive(Clone, Debug)]
struct Event {
    k: Option<String>,
    g: i32,
    v: Option<i64>,
    d: Option<f64>,
    ts: i64,
}

fn event() -> impl Strategy<Value = Event> {
    // Half of all rows share one key.
    let key = prop_oneof![
        4 => Just(Some("hot".to_owned())),
        1 => Just(None),
        1 => Just(Some(String::new())),
        2 => (0..40_u8).prop_map(|n| Some(format!("kéy \"{n}\""))),
    ];
    let number = prop_oneof![1 => Just(None), 4 => (-1000_i64..1000).prop_map(Some)];
    // Quarters, so that sums are exact in whatever order they are made.
    let decimal = prop_oneof![1 => Just(None), 4 => (-400_i32..400).prop_map(|n| Some(f64::from(n) / 4.0))];
    let time = prop_oneof![
        4 => 0..SPAN_MS,
        1 => (0..SPAN_MS / 60_000).prop_map(|minute| minute * 60_000),
        1 => (0..SPAN_MS / 60_000).prop_map(|minute| minute * 60_000 + 59_999),
    ];
    (key, 0..3_i32, number, decimal, time).prop_map(|(k, g, v, d, ts)| Event {
        k,
        g,
        v,
        d,
        ts: BEGIN_MS + ts,
    })
}

/// Files of rows; some may be empty, some rows come twice.
fn input() -> impl Strategy<Value = Vec<Vec<Event>>> {
    let file = proptest::collection::vec(event(), 0..120).prop_map(|mut rows| {
        let twice = rows.iter().step_by(7).cloned().collect::<Vec<_>>();
        rows.extend(twice);
        rows
    });
    proptest::collection::vec(file, 1..4)
}

fn line(event: &Event) -> String {
    let Event { k, g, v, d, ts } = event;
    // What is null may as well be missing.
    let mut row = Map::from_iter([
        ("g".to_owned(), json!(g)),
        ("ts".to_owned(), json!(rows::time_text(*ts))),
    ]);
    row.insert("k".into(), json!(k));
    if v.is_some() {
        row.insert("v".into(), json!(v));
    }
    row.insert("d".into(), json!(d));
    Value::Object(row).to_string()
}

fn batch(events: &[Event]) -> Result<RecordBatch> {
    let column = |name: &'static str, values: ArrayRef| (name, values, true);
    Ok(RecordBatch::try_from_iter_with_nullable([
        column(
            "k",
            Arc::new(events.iter().map(|e| e.k.clone()).collect::<StringArray>()),
        ),
        column(
            "g",
            Arc::new(events.iter().map(|e| Some(e.g)).collect::<Int32Array>()),
        ),
        column("v", Arc::new(events.iter().map(|e| e.v).collect::<Int64Array>())),
        column(
            "d",
            Arc::new(events.iter().map(|e| e.d).collect::<Float64Array>()),
        ),
        column(
            "ts",
            Arc::new(
                events
                    .iter()
                    .map(|e| Some(e.ts))
                    .collect::<TimestampMillisecondArray>(),
            ),
        ),
    ])?)
}

/// What the batch engine says, as sorted lines.
async fn batch_result(query: &Query, events: &[Event]) -> Result<Vec<String>> {
    let context = SessionContext::new();
    context.register_batch("events", batch(events)?)?;
    let mut lines = Vec::new();
    for batch in context
        .sql(query.batch)
        .await
        .with_context(|| query.batch)?
        .collect()
        .await?
    {
        lines.extend(rows::lines_of_batch(&batch)?);
    }
    lines.sort_unstable();
    Ok(lines)
}

/// What the streaming engine says, as sorted lines.
async fn streaming_result(query: &Query, folder: &str, parallelism: u32) -> Result<Vec<String>> {
    let sql = format!(
        "SET 'pipeline.batch-rows' = '16';
         SET 'pipeline.auto-watermark-interval' = '0';
         CREATE TABLE events (
             k STRING, g INT, v BIGINT, d DOUBLE, ts TIMESTAMP(3),
             WATERMARK FOR ts AS ts - INTERVAL '1' HOUR
         ) WITH ('connector' = 'filesystem', 'path' = '{folder}', 'format' = 'json');
         CREATE TABLE result ({}) WITH ('connector' = 'print');
         INSERT INTO result {};",
        query.columns, query.streaming
    );
    let (printed, stats) = local::run(&sql, Some(parallelism))
        .await
        .map_err(|refused| anyhow!("{refused:?}\n{sql}"))?;
    let late = stats.late_rows;
    ensure!(late == 0, "{late} rows came late");
    let mut lines = Vec::new();
    for row in changes::materialize(printed.get("result").cloned().unwrap_or_default())? {
        lines.push(rows::line_of_json(&row, query.columns)?);
    }
    lines.sort_unstable();
    Ok(lines)
}

async fn check(query: &Query, files: &[Vec<Event>]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (index, file) in files.iter().enumerate() {
        let text = file
            .iter()
            .fold(String::new(), |text, event| text + &line(event) + "\n");
        fs::write(folder.path().join(format!("{index}.json")), text)?;
    }
    let expected = batch_result(query, &files.concat()).await?;
    for parallelism in [1, 2, 4] {
        let actual = streaming_result(query, &folder.path().display().to_string(), parallelism).await?;
        ensure!(
            actual == expected,
            "{} at parallelism {parallelism}:\n{}",
            query.name,
            difference(&expected, &actual)
        );
    }
    Ok(())
}

fn difference(expected: &[String], actual: &[String]) -> String {
    let mut text = format!("{} rows expected, {} came\n", expected.len(), actual.len());
    for row in expected.iter().filter(|row| !actual.contains(row)).take(10) {
        let _ = writeln!(text, "  batch only:     {row}");
    }
    for row in actual.iter().filter(|row| !expected.contains(row)).take(10) {
        let _ = writeln!(text, "  streaming only: {row}");
    }
    text
}

/// Runs one query over many inputs. A failure says which seed makes it again, and is shrunk first.
fn check_query(name: &str) {
    let query = QUERIES
        .iter()
        .find(|query| query.name == name)
        .expect("the query is in the list");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let number = |variable: &str| {
        let text = std::env::var(variable).ok()?;
        Some(
            text.parse()
                .unwrap_or_else(|_| panic!("{variable} is a whole number, not '{text}'")),
        )
    };
    let cases = number("WEIR_ORACLE_CASES").unwrap_or(32);
    let seed = number("WEIR_ORACLE_SEED").unwrap_or_else(|| RandomState::new().hash_one(name));
    let config = ProptestConfig {
        cases: u32::try_from(cases).expect("fewer cases"),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome = TestRunner::new_with_rng(config, rng).run(&input(), |files| {
        let checked = runtime.block_on(check(query, &files));
        checked.map_err(|error| TestCaseError::fail(format!("{error:?}")))
    });
    if let Err(error) = outcome {
        panic!("{error}\nagain with WEIR_ORACLE_SEED={seed}");
    }
}

macro_rules! oracle_tests {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check_query(stringify!($name));
        })*

        #[test]
        fn every_query_is_tested() {
            let tested = [$(stringify!($name)),*];
            assert!(QUERIES.iter().all(|query| tested.contains(&query.name)));
        }
    };
}

oracle_tests! {
    filter_and_projection
    keyed_window_of_numbers
    keyed_window_of_doubles
    global_window
    two_keys_filter_and_having
    computed_key_and_text
    window_with_offset
    group_by_without_a_window
    distinct_aggregates
    select_distinct
    aggregate_of_an_aggregate
    inner_join
    full_join_of_changing_results
    left_join
    semi_join
    anti_join
    except
    top_n_with_rank
    top_n_by_several_columns
    top_n_of_a_top_n
    over_all_before
    over_rows_of_the_last_time
    over_the_last_rows
    numbers_over_time
    over_any_order
    over_changing_rows
    windows_behind_over
    keep_last_row
    keep_first_row
    window_top_n
    window_top_n_of_rows
    first_rows_of_all
    hopping_window
    hopping_window_of_texts
    cumulating_window
    early_results_of_hopping_windows
    rows_of_hopping_windows
    windows_of_windows
    most_per_hopping_window
    sessions_per_key
    lists_and_moments_by_window
    lists_and_moments_of_changes
    rows_of_sessions
    pattern_of_two_rows
    pattern_with_aggregates
    distinct_in_hopping_windows
    distinct_in_sessions_of_all
    group_window_with_filter
    interval_join
    interval_left_join
    interval_full_join
    interval_exists
    interval_not_exists
    window_join
    window_full_join
    temporal_join
    temporal_left_join
    lookup_join
    lookup_left_join
    rollup
    rollup_by_window
    sets_by_hopping_window
    hop_of_any_size
    windows_by_count
    hopping_windows_by_count
    hinted_times_to_live
    sets_of_changes
    distinct_of_every_type
    unnest
    unnest_of_changes
    lateral_top_n
    lateral_left_aggregate
    intersect_all
    except_all_of_changes
    not_in
    not_in_correlated
    in_as_a_value
    subqueries_under_or
    scalar_subqueries
}

/// The comparison itself can tell results apart.
#[test]
fn a_wrong_result_is_noticed() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let wrong = Query {
        batch: "SELECT k, v * 2 + 2, g FROM events WHERE v > 10 OR k IS NULL",
        ..QUERIES[0]
    };
    let event = Event {
        k: None,
        g: 1,
        v: Some(20),
        d: None,
        ts: BEGIN_MS,
    };
    let error = runtime
        .block_on(check(&wrong, &[vec![event]]))
        .expect_err("41 is not 42");
    assert!(error.to_string().contains("batch only"), "{error:?}");
}
