//! Joins that are restored from their own snapshots while they run, beside the same joins that are not.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use proptest::prelude::*;
use weir_connector::{RowKind, changelog};
use weir_proto::graph::{self, join::Type};

use super::super::{Join, TimedJoin};
use crate::{
    operator::{
        Context, Operator,
        rehearsal::{self, Call},
    },
    state::{Change, Scope, Snapshot},
};

/// A key, equal to others that are not the same; a time; a value; what the row does.
type Row = (Option<f64>, Option<i64>, i64, RowKind);

fn input(side: usize, takes_back: bool) -> SchemaRef {
    let [key, time, value] = [["lk", "lt", "l"], ["rk", "rt", "r"]][side];
    let mut fields = vec![
        Field::new(value, DataType::Int64, true),
        Field::new(key, DataType::Float64, true),
        Field::new(time, DataType::Timestamp(TimeUnit::Millisecond, None), true),
    ];
    fields.extend(takes_back.then(changelog::op_field));
    Arc::new(Schema::new(fields))
}

fn batch(side: usize, rows: &[Row], takes_back: bool) -> RecordBatch {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.2))),
        Arc::new(rows.iter().map(|r| r.0).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|r| r.1).collect::<TimestampMillisecondArray>()),
    ];
    columns.extend(takes_back.then(|| changelog::column(rows.iter().map(|r| r.3.byte()).collect())));
    RecordBatch::try_new(input(side, takes_back), columns).expect("fits")
}

fn spec(kind: Type) -> graph::Join {
    graph::Join {
        r#type: kind.into(),
        left_keys: vec![1],
        right_keys: vec![1],
        output: if is_of_left(kind) {
            vec![0, 1]
        } else {
            vec![0, 1, 3, 4]
        },
        ..graph::Join::default()
    }
}

fn is_of_left(kind: Type) -> bool {
    matches!(kind, Type::Semi | Type::Anti | Type::Mark)
}

fn output(kind: Type, changes: bool) -> SchemaRef {
    let mut fields = vec![
        Field::new("l", DataType::Int64, true),
        Field::new("lk", DataType::Float64, true),
    ];
    if !is_of_left(kind) {
        fields.push(Field::new("r", DataType::Int64, true));
        fields.push(Field::new("rk", DataType::Float64, true));
    }
    fields.extend((kind == Type::Mark).then(|| Field::new("mark", DataType::Boolean, false)));
    fields.extend(changes.then(changelog::op_field));
    Arc::new(Schema::new(fields))
}

fn regular(spec: &graph::Join, takes_back: bool) -> Join {
    let inputs = [input(0, takes_back), input(1, takes_back)];
    Join::new(spec, &inputs, output(spec.r#type(), true)).expect("fits")
}

fn rows(times: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Row>> {
    let key = prop::sample::select(vec![Some(-0.0), Some(0.0), Some(1.0), Some(f64::NAN), None]);
    let time = prop::option::weighted(0.9, times);
    let kind = prop::sample::select(vec![RowKind::Insert, RowKind::Insert, RowKind::Delete]);
    prop::collection::vec((key, time, 0..3_i64, kind), 1..8)
}

const KINDS: [Type; 6] = [
    Type::Inner,
    Type::Left,
    Type::Right,
    Type::Full,
    Type::Semi,
    Type::Anti,
];

proptest! {
    #[test]
    fn a_restored_join_emits_the_same_in_the_same_order(
        kind in prop::sample::select([&KINDS[..], &[Type::Mark]].concat()),
        takes_back: bool,
        null_equals_null: bool,
        has_keys in prop::bool::weighted(0.8),
        ttls in (prop::sample::select(vec![0_u64, 7]), prop::sample::select(vec![0_u64, 20])),
        steps in prop::collection::vec((0..2_usize, 0..4_i64, rows(0..1)), 1..20),
    ) {
        let keys = if has_keys { vec![1] } else { Vec::new() };
        let spec = graph::Join {
            left_keys: keys.clone(),
            right_keys: keys,
            null_equals_null,
            left_ttl_ms: ttls.0,
            right_ttl_ms: ttls.1,
            ..spec(kind)
        };
        let (mut calls, mut now_ms) = (Vec::new(), 0);
        for (side, wait_ms, rows) in steps {
            now_ms += wait_ms;
            calls.push(Call::Time(now_ms));
            calls.push(Call::RowsOf(side, batch(side, &rows, takes_back)));
        }
        rehearsal::check(move || Box::new(regular(&spec, takes_back)), &calls);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_join_that_is_on_disk_emits_the_same(
        kind in prop::sample::select([&KINDS[..], &[Type::Mark]].concat()),
        takes_back: bool,
        null_equals_null: bool,
        steps in prop::collection::vec((0..2_usize, rows(0..1)), 1..20),
    ) {
        let spec = graph::Join {
            left_keys: vec![1],
            right_keys: vec![1],
            null_equals_null,
            ..spec(kind)
        };
        let steps = steps.into_iter();
        let calls: Vec<Call> = steps.map(|(side, rows)| Call::RowsOf(side, batch(side, &rows, takes_back))).collect();
        rehearsal::check_spilled(move || Box::new(regular(&spec, takes_back)), &calls);
    }
}

proptest! {
    #[test]
    fn a_restored_join_within_a_time_emits_the_same(
        kind in prop::sample::select(KINDS.to_vec()),
        waits_ms in (-1..80_i64, -1..80_i64),
        drops_late: bool,
        steps in prop::collection::vec((0..2_usize, 0..20_i64, rows(-60..60)), 1..20),
    ) {
        rehearsal::check_sorted(move || within(kind, waits_ms, drops_late), &timed_calls(steps));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_join_within_a_time_that_is_on_disk_emits_the_same(
        kind in prop::sample::select(KINDS.to_vec()),
        waits_ms in (-1..80_i64, -1..80_i64),
        drops_late: bool,
        steps in prop::collection::vec((0..2_usize, 0..20_i64, rows(-60..60)), 1..20),
    ) {
        rehearsal::check_spilled(move || within(kind, waits_ms, drops_late), &timed_calls(steps));
    }
}

/// A join of rows that wait so long for each other.
fn within(kind: Type, waits_ms: (i64, i64), drops_late: bool) -> Box<dyn Operator> {
    let time = graph::JoinTime {
        left_column: 2,
        right_column: 2,
        left_wait_ms: waits_ms.0,
        right_wait_ms: waits_ms.1,
        delay_ms: 0,
        drops_late,
    };
    let inputs = [input(0, false), input(1, false)];
    Box::new(TimedJoin::new(&spec(kind), &time, &inputs, output(kind, false)).expect("fits"))
}

/// Rows of sides, with times from the watermark on, which rises by so much behind them.
fn timed_calls(steps: Vec<(usize, i64, Vec<Row>)>) -> Vec<Call> {
    let (mut calls, mut watermark) = (Vec::new(), 0);
    for (side, passes_ms, rows) in steps {
        let rows = rows
            .into_iter()
            .map(|r| (r.0, r.1.map(|t| t + watermark), r.2, r.3));
        calls.push(Call::RowsOf(
            side,
            batch(side, &rows.collect::<Vec<Row>>(), false),
        ));
        watermark += passes_ms;
        calls.push(Call::Watermark(watermark));
    }
    calls
}

#[test]
fn rows_whose_memory_was_given_back_since_the_last_snapshot_are_told_of() {
    const ROWS: i64 = 70_000;
    let mut join = regular(&spec(Type::Inner), true);
    let row = |value: i64, kind| (Some(value as f64), None, value, kind);
    let feed = |join: &mut Join, rows: Vec<Row>| {
        let context = &mut Context::default();
        join.on_batch(0, batch(0, &rows, true), context).expect("works");
    };
    let snapshot = |join: &mut Join, scope| {
        let mut snapshot = Snapshot::new(join.tables());
        join.snapshot(scope, &mut snapshot).expect("works");
        let (mut written, mut gone) = (0, 0);
        for change in snapshot.into_changes() {
            match change {
                Change::Write { rows, .. } => written += rows.num_rows(),
                Change::Delete { keys, .. } => gone += keys.num_rows(),
            }
        }
        (written as i64, gone as i64)
    };
    join.track_changes();
    feed(
        &mut join,
        (0..ROWS + 10).map(|v| row(v, RowKind::Insert)).collect(),
    );
    assert_eq!(snapshot(&mut join, Scope::Changes), (ROWS + 10, 0));
    assert_eq!(snapshot(&mut join, Scope::Changes), (0, 0));
    feed(
        &mut join,
        vec![
            row(-1, RowKind::Insert),
            row(-2, RowKind::Insert),
            row(-2, RowKind::Delete),
        ],
    );
    feed(&mut join, (0..ROWS).map(|v| row(v, RowKind::Delete)).collect());
    assert_eq!(join.state.sizes().0[0], 11, "the memory was given back");
    feed(&mut join, vec![row(ROWS, RowKind::Delete)]);
    assert_eq!(snapshot(&mut join, Scope::Changes), (1, ROWS + 1));
    assert_eq!(snapshot(&mut join, Scope::All), (10, 0));
}
