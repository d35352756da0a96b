//! The operator: rows by key in batches, conditions that look back, and what it keeps.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampMillisecondArray, cast::AsArray,
    types::Int64Type,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion_expr::Operator as Op;
use proptest::prelude::*;
use weir_model::EventTime;
use weir_proto::{
    graph::{self, match_skip::To},
    schema::encode,
};

use crate::{
    expression::testing::{binary, column, named, schema},
    operator::{Context, Operator, match_recognize::MatchRecognize},
    state::rehearse::Rehearsed,
};

/// Key, time, number and value.
type Row = (i64, i64, i64, i64);

const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);
const WITHIN_MS: i64 = 20;

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("ts", TIME, false),
        Field::new("id", DataType::Int64, false),
        Field::new("v", DataType::Int64, false),
        Field::new("is_a", DataType::Boolean, false),
    ]))
}

fn begins(v: i64) -> bool {
    v % 3 == 0
}

fn batch(rows: &[Row]) -> RecordBatch {
    let of = |f: fn(&Row) -> i64| rows.iter().map(f).collect::<Vec<_>>();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(of(|r| r.0))),
        Arc::new(TimestampMillisecondArray::from(of(|r| r.1))),
        Arc::new(Int64Array::from(of(|r| r.2))),
        Arc::new(Int64Array::from(of(|r| r.3))),
        Arc::new(rows.iter().map(|r| Some(begins(r.3))).collect::<BooleanArray>()),
    ];
    RecordBatch::try_new(input(), columns).expect("fits")
}

fn value(variable: Option<u32>, column: u32) -> graph::MatchValue {
    graph::MatchValue {
        variable,
        column,
        ..graph::MatchValue::default()
    }
}

fn variable(name: &str, min: u32, max: Option<u32>) -> graph::MatchVariable {
    graph::MatchVariable {
        name: name.into(),
        min,
        max,
        ..graph::MatchVariable::default()
    }
}

/// `PATTERN (a b*? c) WITHIN ... DEFINE a AS is_a, c AS c.v > a.v`, skipping past the last row; the key and the numbers of a and c
/// come out.
fn operator(time_column: Option<u32>) -> MatchRecognize {
    let compared = schema(&[("c", DataType::Int64), ("a", DataType::Int64)]);
    let rises = binary(column("c", &compared), Op::Gt, column("a", &compared));
    let output = schema(&[
        ("k", DataType::Int64),
        ("a", DataType::Int64),
        ("c", DataType::Int64),
    ]);
    let measures = ["k", "a", "c"].map(|name| named(name, &column(name, &output)));
    let spec = graph::MatchRecognize {
        keys: vec![0],
        time_column,
        variables: vec![
            graph::MatchVariable {
                column: Some(4),
                ..variable("a", 1, Some(1))
            },
            variable("b", 0, None),
            graph::MatchVariable {
                condition: Some(graph::MatchExpressions {
                    values: vec![value(Some(2), 3), value(Some(0), 3)],
                    schema: encode(&compared).expect("encodes"),
                    expressions: vec![named("c", &rises)],
                }),
                ..variable("c", 1, Some(1))
            },
        ],
        skip: Some(graph::MatchSkip {
            to: Some(To::PastLastRow(graph::Forward {})),
        }),
        within_ms: WITHIN_MS,
        measures: Some(graph::MatchExpressions {
            values: vec![value(None, 0), value(Some(0), 2), value(Some(2), 2)],
            schema: encode(&output).expect("encodes"),
            expressions: measures.to_vec(),
        }),
        max_partial_matches: 1000,
        ..graph::MatchRecognize::default()
    };
    MatchRecognize::new(&spec, &input(), output).expect("fits")
}

fn found(context: &mut Context) -> Vec<(i64, i64, i64)> {
    let mut found = Vec::new();
    for batch in context.emitted.drain(..) {
        let column = |c: usize| batch.column(c).as_primitive::<Int64Type>().values();
        found.extend((0..batch.num_rows()).map(|row| (column(0)[row], column(1)[row], column(2)[row])));
    }
    found
}

fn sorted(context: &mut Context) -> Vec<(i64, i64, i64)> {
    let mut found = found(context);
    found.sort_unstable();
    found
}

/// The matches of all rows, one key after the other.
fn expected(rows: &[Row]) -> Vec<(i64, i64, i64)> {
    let mut keys: Vec<i64> = rows.iter().map(|r| r.0).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut found = Vec::new();
    for key in keys {
        let mut own: Vec<&Row> = rows.iter().filter(|r| r.0 == key).collect();
        own.sort_by_key(|r| r.1);
        let mut from = 0;
        while from < own.len() {
            let first = own[from];
            let mut behind = own.iter().enumerate().skip(from + 1);
            let end = behind
                .find(|(_, r)| r.3 > first.3)
                .filter(|(_, r)| r.1 - first.1 < WITHIN_MS);
            match end.filter(|_| begins(first.3)) {
                Some((end, last)) => {
                    found.push((key, first.2, last.2));
                    from = end + 1;
                }
                None => from += 1,
            }
        }
    }
    found.sort_unstable();
    found
}

fn batches() -> impl Strategy<Value = Vec<Vec<Row>>> {
    let row = (0..5_i64, 0..30_i64, 0..12_i64);
    prop::collection::vec(prop::collection::vec(row, 0..40), 1..12).prop_map(|batches| {
        let (mut id, mut base) = (0, 0);
        let mut moved = Vec::new();
        for batch in batches {
            base += 11;
            let rows = batch.into_iter().map(|(k, ms, v)| {
                id += 1;
                (k, base + ms, id, v)
            });
            moved.push(rows.collect::<Vec<Row>>());
        }
        moved
    })
}

/// What comes out of batches, call by call, whatever the order of the keys, and how far time may come behind each.
fn run(operator: &mut dyn Operator, batches: &[Vec<Row>], time_is_event_time: bool) -> Vec<String> {
    let mut context = Context::default();
    let mut seen = Vec::new();
    for (at, rows) in batches.iter().enumerate() {
        context.now_ms = 11 * at as i64;
        if operator.timer_ms().is_some_and(|timer| timer <= context.now_ms) {
            operator
                .on_processing_time(&mut context)
                .expect("drops what is old");
        }
        operator
            .on_batch(0, batch(rows), &mut context)
            .expect("takes rows");
        seen.push(format!("{:?}", sorted(&mut context)));
        if time_is_event_time {
            let watermark = EventTime(11 * at as i64 + 5);
            operator.on_watermark(watermark, &mut context).expect("matches");
            seen.push(format!(
                "{:?} {:?}",
                sorted(&mut context),
                operator.output_watermark(watermark)
            ));
        }
    }
    operator.on_end(&mut context).expect("ends");
    seen.push(format!("{:?} {}", sorted(&mut context), context.late_rows));
    seen
}

proptest! {
    #[test]
    fn a_restored_operator_goes_on_as_if_nothing_had_been(
        batches in batches(),
        every in 1..5_u32,
        time_column in prop_oneof![Just(Some(1)), Just(None)],
    ) {
        let make = move || Ok(Box::new(operator(time_column)) as Box<dyn Operator>);
        let mut rehearsed = Rehearsed::new(Box::new(make), every).expect("has tables");
        let expected = run(&mut operator(time_column), &batches, time_column.is_some());
        prop_assert_eq!(run(&mut rehearsed, &batches, time_column.is_some()), expected);
    }

    #[test]
    fn batches_and_watermarks_make_no_difference(batches in batches()) {
        let mut operator = operator(Some(1));
        let mut context = Context::default();
        let mut all = Vec::new();
        for (at, rows) in batches.iter().enumerate() {
            operator.on_batch(0, batch(rows), &mut context).expect("takes rows");
            // Nothing comes late: time has come up to the earliest row that is still to come.
            let next = batches[at + 1..].iter().flatten().map(|r| r.1).min();
            operator.on_watermark(EventTime(next.unwrap_or(i64::MAX) - 1), &mut context).expect("matches");
            all.extend(found(&mut context));
        }
        operator.on_watermark(EventTime::MAX, &mut context).expect("matches");
        all.extend(found(&mut context));
        all.sort_unstable();
        prop_assert_eq!(all, expected(&batches.concat()));
        prop_assert_eq!(context.late_rows, 0);
        prop_assert_eq!(operator.state.rows.sizes().0, 0, "rows are kept that nothing needs");
    }
}

#[test]
fn late_rows_are_counted_and_not_matched() {
    let (mut operator, mut context) = (operator(Some(1)), Context::default());
    operator
        .on_batch(0, batch(&[(1, 10, 1, 3)]), &mut context)
        .expect("takes rows");
    operator
        .on_watermark(EventTime(12), &mut context)
        .expect("matches");
    operator
        .on_batch(0, batch(&[(1, 12, 2, 9), (1, 13, 3, 5)]), &mut context)
        .expect("takes rows");
    operator
        .on_watermark(EventTime::MAX, &mut context)
        .expect("matches");
    assert_eq!(found(&mut context), [(1, 1, 3)]);
    assert_eq!(context.late_rows, 1);
}

#[test]
fn time_holds_back_for_a_match_that_waits_for_an_earlier_one() {
    let (mut operator, mut context) = (operator(Some(1)), Context::default());
    let rows = [(1, 10, 1, 9), (1, 12, 2, 3), (1, 14, 3, 5)];
    operator
        .on_batch(0, batch(&rows), &mut context)
        .expect("takes rows");
    operator
        .on_watermark(EventTime(20), &mut context)
        .expect("matches");
    assert_eq!(found(&mut context), [], "row 1 may still begin a match");
    assert_eq!(operator.output_watermark(EventTime(20)), EventTime(13));
    operator
        .on_watermark(EventTime(29), &mut context)
        .expect("matches");
    assert_eq!(found(&mut context), []);
    operator
        .on_watermark(EventTime(30), &mut context)
        .expect("matches");
    assert_eq!(found(&mut context), [(1, 2, 3)]);
    assert_eq!(operator.output_watermark(EventTime(30)), EventTime(30));
    assert_eq!(operator.state.rows.sizes().0, 0);
}

#[test]
fn keys_without_partial_matches_are_forgotten() {
    let (mut operator, mut context) = (operator(Some(1)), Context::default());
    for turn in 0..20 {
        let rows: Vec<Row> = (0..1000).map(|k| (turn * 1000 + k, turn * 100, k, 1)).collect();
        operator
            .on_batch(0, batch(&rows), &mut context)
            .expect("takes rows");
        operator
            .on_watermark(EventTime(turn * 100), &mut context)
            .expect("matches");
        assert!(
            operator.state.len() <= 6000,
            "{} keys are kept",
            operator.state.len()
        );
    }
}

#[test]
fn without_event_time_rows_are_matched_as_they_come_and_go_by_the_clock() {
    let (mut operator, mut context) = (
        operator(None),
        Context {
            now_ms: 1000,
            ..Context::default()
        },
    );
    assert!(operator.is_timed());
    operator
        .on_batch(
            0,
            batch(&[(1, 9, 1, 3), (2, 8, 2, 3), (1, 7, 3, 5)]),
            &mut context,
        )
        .expect("takes rows");
    assert_eq!(found(&mut context), [(1, 1, 3)]);
    assert_eq!(operator.state.rows.sizes().0, 1);
    assert_eq!(operator.timer_ms(), Some(1000 + WITHIN_MS));
    context.now_ms = 1000 + WITHIN_MS;
    operator
        .on_processing_time(&mut context)
        .expect("drops what is old");
    assert_eq!((operator.state.rows.sizes().0, operator.timer_ms()), (0, None));
    operator
        .on_batch(0, batch(&[(2, 1, 4, 9)]), &mut context)
        .expect("takes rows");
    assert_eq!(found(&mut context), []);
}
