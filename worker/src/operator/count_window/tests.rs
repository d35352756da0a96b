use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use proptest::prelude::*;
use weir_proto::{
    graph::{self, AggregateFunction},
    schema,
};

use super::CountWindowAggregate;
use crate::operator::{
    Context, Operator,
    rehearsal::{self, Call},
};

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![
        field("k", DataType::Int64),
        field("v", DataType::Int64),
        field("counts", DataType::Boolean),
    ]))
}

/// `SELECT k, SUM(v), COUNT(*), window_id`, of rows that count.
fn operator(size: u64, slide: u64, ttl_ms: u64) -> CountWindowAggregate {
    let call = |function: AggregateFunction, column| graph::Aggregate {
        function: function.into(),
        column,
        result: schema::encode(&Schema::new(vec![field("r", DataType::Int64)])).expect("encodes"),
        ..Default::default()
    };
    let spec = graph::CountWindowAggregate {
        window: Some(graph::CountWindow {
            keys: vec![0],
            size,
            slide,
            state_ttl_ms: ttl_ms,
        }),
        aggregates: vec![
            call(AggregateFunction::Sum, Some(1)),
            call(AggregateFunction::CountStar, None),
        ],
        filter: Some(2),
    };
    let output = ["k", "sum", "count", "window_id"].map(|name| field(name, DataType::Int64));
    let output = Arc::new(Schema::new(output.to_vec()));
    CountWindowAggregate::new(&spec, &input(), output).expect("builds")
}

type Row = (i64, Option<i64>, bool);

/// The windows that rows at a time complete: key, sum, count, number.
fn at(operator: &mut CountWindowAggregate, now_ms: i64, rows: &[Row]) -> Vec<(i64, Option<i64>, i64, i64)> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| Some(r.2)).collect::<BooleanArray>()),
    ];
    let batch = RecordBatch::try_new(input(), columns).expect("fits");
    let mut context = Context {
        now_ms,
        ..Context::default()
    };
    operator.on_batch(0, batch, &mut context).expect("runs");
    let mut windows = Vec::new();
    for batch in context.emitted {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(AsArray::as_primitive::<Int64Type>)
            .collect();
        let row = |i| {
            (
                columns[0].value(i),
                columns[1].iter().nth(i).flatten(),
                columns[2].value(i),
                columns[3].value(i),
            )
        };
        windows.extend((0..batch.num_rows()).map(row));
    }
    windows
}

#[test]
fn a_window_is_emitted_with_its_last_row() {
    let mut tumble = operator(3, 3, 0);
    let row = |k, v| (k, Some(v), true);
    assert!(at(&mut tumble, 0, &[row(1, 1), row(2, 10), row(1, 2)]).is_empty());
    let rows = [
        row(1, 4),
        row(1, 8),
        row(2, 20),
        row(1, 16),
        row(1, 32),
        row(1, 64),
    ];
    assert_eq!(
        at(&mut tumble, 0, &rows),
        [(1, Some(7), 3, 0), (1, Some(56), 3, 1)]
    );
    assert_eq!(at(&mut tumble, 0, &[row(2, 40)]), [(2, Some(70), 3, 0)]);
}

#[test]
fn rows_that_are_filtered_are_counted_all_the_same() {
    let mut tumble = operator(2, 2, 0);
    let rows = [
        (1, Some(1), true),
        (1, Some(2), false),
        (1, Some(4), false),
        (1, Some(8), false),
    ];
    assert_eq!(
        at(&mut tumble, 0, &rows),
        [(1, Some(1), 1, 0)],
        "a window without rows is none"
    );
    let rows = [(1, Some(5), false), (1, None, true)];
    assert_eq!(at(&mut tumble, 0, &rows), [(1, None, 1, 2)]);
}

#[test]
fn a_key_that_is_over_begins_with_window_0_again() {
    let mut tumble = operator(2, 2, 1_000);
    assert!(tumble.is_timed());
    let row = |k, v| (k, Some(v), true);
    assert_eq!(
        at(&mut tumble, 0, &[row(1, 1), row(1, 2), row(1, 4)]),
        [(1, Some(3), 2, 0)]
    );
    assert!(at(&mut tumble, 1_000, &[row(1, 8)]).is_empty());
    assert_eq!(at(&mut tumble, 1_500, &[row(1, 16)]), [(1, Some(24), 2, 0)]);
    assert_eq!(
        at(&mut tumble, 2_000, &[row(1, 1), row(1, 1)]),
        [(1, Some(2), 2, 1)]
    );
}

#[test]
fn memory_of_windows_and_keys_is_given_back() {
    let mut hop = operator(4, 2, 1_000);
    let mut most = (0, 0);
    for step in 0..40 {
        let now_ms = step * 250;
        let rows: Vec<Row> = (0..20_000)
            .map(|k| (step * 2_000 + k % 2_000, Some(1), true))
            .collect();
        assert_eq!(at(&mut hop, now_ms, &rows).len(), 10_000);
        let mut context = Context {
            now_ms,
            ..Context::default()
        };
        hop.on_processing_time(&mut context).expect("runs");
        let (keys, windows) = hop.state.sizes();
        most = (most.0.max(keys), most.1.max(windows));
    }
    assert!(most.0 <= 2 * 6 * 2_000, "{} keys", most.0);
    // One open window of each key that lives, and as many that are over and wait.
    assert!(most.1 <= 2 * most.0 + 20_000, "{} windows", most.1);
    let mut context = Context {
        now_ms: 100_000,
        ..Context::default()
    };
    hop.on_processing_time(&mut context).expect("runs");
    assert_eq!(hop.state.sizes().0, 0);
    assert_eq!(hop.timer_ms(), None);
}

proptest! {
    #[test]
    fn windows_are_the_last_rows_of_their_keys(
        size in 1..6_usize, slide in 1..6_usize,
        batches in prop::collection::vec(
            prop::collection::vec((0..3_i64, prop::option::of(0..100_i64), any::<bool>()), 0..20), 1..8),
    ) {
        let mut windows = operator(size as u64, slide as u64, 0);
        let mut of_key: Vec<Vec<Row>> = vec![Vec::new(); 3];
        for rows in batches {
            let mut expected = Vec::new();
            for row in &rows {
                let all = &mut of_key[row.0 as usize];
                all.push(*row);
                if !all.len().is_multiple_of(slide) {
                    continue;
                }
                let last = &all[all.len().saturating_sub(size)..];
                let kept: Vec<&Row> = last.iter().filter(|r| r.2).collect();
                let sum = kept.iter().filter_map(|r| r.1).reduce(|a, b| a + b);
                if !kept.is_empty() {
                    expected.push((row.0, sum, kept.len() as i64, (all.len() / slide) as i64 - 1));
                }
            }
            prop_assert_eq!(at(&mut windows, 0, &rows), expected);
        }
    }
}

proptest! {
    #[test]
    fn a_restored_aggregate_goes_on_as_one_that_was_not(
        (size, slide) in prop::sample::select(vec![(2_u64, 2_u64), (5, 2), (7, 1), (1, 3)]),
        ttl_ms in prop::sample::select(vec![0, 1_000_u64]),
        steps in prop::collection::vec((
            0..600_i64,
            prop::collection::vec((prop::option::of(0..3_i64), prop::option::of(0..9_i64), prop::option::of(any::<bool>())), 0..8),
        ), 1..12),
    ) {
        let make = move || Box::new(operator(size, slide, ttl_ms)) as Box<dyn Operator>;
        rehearsal::check_sorted(make, &calls(&steps));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn an_aggregate_that_is_on_disk_goes_on_as_one_that_is_not(
        (size, slide) in prop::sample::select(vec![(2_u64, 2_u64), (5, 2), (7, 1), (1, 3)]),
        steps in prop::collection::vec((
            Just(0),
            prop::collection::vec((prop::option::of(0..3_i64), prop::option::of(0..9_i64), prop::option::of(any::<bool>())), 0..8),
        ), 1..12),
    ) {
        let make = move || Box::new(operator(size, slide, 0)) as Box<dyn Operator>;
        rehearsal::check_spilled(make, &calls(&steps));
    }
}

/// How long a step waits, ms, and its rows.
type Step = (i64, Vec<(Option<i64>, Option<i64>, Option<bool>)>);

fn calls(steps: &[Step]) -> Vec<Call> {
    let (mut now_ms, mut calls) = (0, Vec::new());
    for (wait_ms, rows) in steps {
        now_ms += wait_ms;
        calls.push(Call::Time(now_ms));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|r| r.2).collect::<BooleanArray>()),
        ];
        calls.push(Call::Rows(RecordBatch::try_new(input(), columns).expect("fits")));
    }
    calls.push(Call::Time(now_ms + 5_000));
    calls
}
