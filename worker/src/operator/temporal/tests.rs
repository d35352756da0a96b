//! The operator against a look at all versions, and what it keeps.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray, cast::AsArray, types::Int64Type,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use proptest::prelude::*;
use weir_model::EventTime;
use weir_proto::graph::{self, join::Type};

use super::TemporalJoin;
use crate::{
    operator::{
        Context, Operator,
        rehearsal::{self, Call},
    },
    state::{Change, Scope, Snapshot},
};

/// Key, time and a value that names the row.
type Row = (Option<i64>, i64, i64);

fn schema(nullable: bool) -> SchemaRef {
    let moment = DataType::Timestamp(TimeUnit::Millisecond, None);
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("t", moment, false),
        Field::new("v", DataType::Int64, nullable),
    ]))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let keys: ArrayRef = Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>());
    let times: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter_values(
        rows.iter().map(|r| r.1),
    ));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.2)));
    RecordBatch::try_new(schema(false), vec![keys, times, values]).expect("three columns")
}

fn join(kind: Type) -> TemporalJoin {
    join_with_ttl(kind, 0)
}

fn join_with_ttl(kind: Type, state_ttl_ms: u64) -> TemporalJoin {
    let spec = graph::TemporalJoin {
        r#type: kind.into(),
        left_keys: vec![0],
        right_keys: vec![0],
        left_time: 1,
        right_time: 1,
        filter: None,
        output: vec![2, 5],
        state_ttl_ms,
    };
    let output = Schema::new(vec![
        Field::new("l", DataType::Int64, false),
        Field::new("r", DataType::Int64, true),
    ]);
    TemporalJoin::new(&spec, &[schema(false), schema(false)], Arc::new(output)).expect("fits")
}

/// The pairs that were emitted, in their order.
fn pairs(context: &mut Context) -> Vec<(i64, Option<i64>)> {
    let mut pairs = Vec::new();
    for batch in context.emitted.drain(..) {
        let left = batch.column(0).as_primitive::<Int64Type>();
        let right = batch.column(1).as_primitive::<Int64Type>();
        pairs.extend(left.values().iter().copied().zip(right.iter()));
    }
    pairs
}

fn feed(join: &mut TemporalJoin, port: usize, rows: &[Row], context: &mut Context) {
    join.on_batch(port, batch(rows), context).expect("works");
}

fn advance(join: &mut TemporalJoin, to: i64, context: &mut Context) -> Vec<(i64, Option<i64>)> {
    join.on_watermark(EventTime(to), context).expect("works");
    pairs(context)
}

#[test]
fn a_row_waits_for_the_watermark_and_meets_the_version_of_its_time() {
    let mut join = join(Type::Left);
    let context = &mut Context::default();
    feed(
        &mut join,
        0,
        &[(Some(1), 30, 100), (Some(1), 10, 101), (None, 20, 102)],
        context,
    );
    feed(
        &mut join,
        1,
        &[(Some(1), 10, 1), (Some(1), 29, 2), (Some(1), 31, 3), (None, 0, 4)],
        context,
    );
    assert_eq!(pairs(context), []);
    assert_eq!(advance(&mut join, 9, context), []);
    assert_eq!(advance(&mut join, 20, context), [(101, Some(1)), (102, None)]);
    feed(&mut join, 1, &[(Some(1), 30, 5), (Some(1), 30, 6)], context);
    assert_eq!(
        advance(&mut join, 30, context),
        [(100, Some(6))],
        "of one time, the last one"
    );
    // Null is a key to which no version belongs.
    assert_eq!(join.sizes(), (0, 2, 2), "the valid version, and the one to come");
}

#[test]
fn a_late_row_meets_its_version_if_that_is_left_and_is_counted_if_not() {
    let mut join = join(Type::Inner);
    let context = &mut Context::default();
    feed(&mut join, 1, &[(Some(1), 10, 1), (Some(1), 20, 2)], context);
    assert_eq!(advance(&mut join, 50, context), []);
    feed(
        &mut join,
        0,
        &[(Some(1), 15, 100), (Some(1), 25, 101), (Some(1), 60, 102)],
        context,
    );
    assert_eq!(advance(&mut join, 51, context), [(101, Some(2))]);
    assert_eq!(context.late_rows, 1);
    assert_eq!(advance(&mut join, 60, context), [(102, Some(2))]);
    assert_eq!(context.late_rows, 1);
}

#[test]
fn versions_and_rows_go_as_time_passes() {
    let mut join = join(Type::Inner);
    let context = &mut Context::default();
    for round in 0..200 {
        let rows: Vec<Row> = (0..1000).map(|i| (Some(i % 10), round * 1000 + i, i)).collect();
        feed(&mut join, 1, &rows, context);
        feed(&mut join, 0, &rows, context);
        assert_eq!(advance(&mut join, round * 1000 + 999, context).len(), 1000);
        assert_eq!(join.sizes(), (0, 10, 10));
    }
    for round in 200..400 {
        let rows: Vec<Row> = (0..1000)
            .map(|i| (Some(round * 1000 + i), round * 1000 + i, i))
            .collect();
        feed(&mut join, 0, &rows, context);
        assert_eq!(advance(&mut join, round * 1000 + 999, context), []);
    }
    let (_, versions, keys) = join.sizes();
    assert_eq!(versions, 10);
    assert!(
        keys < 100_000,
        "keys without versions are forgotten, {keys} are left"
    );
    feed(&mut join, 0, &[(Some(7), 500_000, 1)], context);
    assert_eq!(advance(&mut join, 500_000, context), [(1, Some(997))]);
}

#[test]
fn versions_go_when_nothing_comes_for_their_key() {
    let mut join = join_with_ttl(Type::Left, 1000);
    let context = &mut Context::default();
    feed(
        &mut join,
        1,
        &[(Some(1), 10, 1), (Some(2), 10, 2), (Some(3), 10, 3)],
        context,
    );
    context.now_ms = 900;
    feed(&mut join, 0, &[(Some(1), 20, 100)], context);
    assert_eq!(advance(&mut join, 20, context), [(100, Some(1))]);
    context.now_ms = 1000;
    feed(&mut join, 0, &[(Some(2), 30, 101), (Some(1), 30, 102)], context);
    assert_eq!(
        advance(&mut join, 30, context),
        [(101, None), (102, Some(1))],
        "its time is over, though it was not swept yet"
    );
    context.now_ms = join.timer_ms().expect("there are versions");
    join.on_processing_time(context).expect("works");
    assert_eq!(join.sizes().1, 1, "key 1 had rows");
    feed(&mut join, 1, &[(Some(2), 40, 4)], context);
    feed(&mut join, 0, &[(Some(2), 40, 103), (Some(3), 40, 104)], context);
    assert_eq!(advance(&mut join, 40, context), [(103, Some(4)), (104, None)]);
    context.now_ms += 10_000;
    join.on_processing_time(context).expect("works");
    assert_eq!((join.sizes().1, join.timer_ms()), (0, None));
}

#[test]
fn keys_that_were_forgotten_since_the_last_snapshot_are_told_of() {
    const KEYS: i64 = 70_000;
    let mut join = join_with_ttl(Type::Left, 1000);
    join.track_changes();
    let context = &mut Context::default();
    let rows: Vec<Row> = (0..KEYS).map(|key| (Some(key), 10, key)).collect();
    feed(&mut join, 1, &rows, context);
    // Rows written and deleted, by table.
    let changes = |join: &mut TemporalJoin| {
        let mut snapshot = Snapshot::new(join.tables());
        join.snapshot(Scope::Changes, &mut snapshot).expect("works");
        let mut counts = [(0, 0); 3];
        for change in snapshot.into_changes() {
            match change {
                Change::Write { table, rows } => counts[table].0 += rows.num_rows(),
                Change::Delete { table, keys } => counts[table].1 += keys.num_rows(),
            }
        }
        counts
    };
    let all = KEYS as usize;
    assert_eq!(changes(&mut join), [(all, 0), (0, 0), (all, 0)]);
    context.now_ms = 10_000;
    join.on_processing_time(context).expect("works");
    assert_eq!(join.sizes(), (0, 0, 0));
    assert_eq!(changes(&mut join), [(0, all), (0, 0), (0, all)]);
}

/// What comes (rows of a side, or a watermark), how much time passes before, ms, and the keys and times of the rows.
type Step = (usize, i64, Vec<(Option<i64>, i64)>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rows = prop::collection::vec((prop::option::weighted(0.9, 0..4_i64), -20..60_i64), 1..12);
    prop::collection::vec((0..3_usize, 0..9_i64, rows), 1..25)
}

/// The calls of steps. Times are from the watermark on; versions are late only if that is wanted.
fn calls(steps: Vec<Step>, has_late_versions: bool) -> Vec<Call> {
    let (mut calls, mut watermark, mut now_ms, mut next) = (Vec::new(), 0, 0, 0);
    for (what, passes_ms, rows) in steps {
        now_ms += passes_ms;
        calls.push(Call::Time(now_ms));
        if what < 2 {
            let row = |(key, time): (Option<i64>, i64)| {
                next += 1;
                let is_late = time <= 0 && what == 1;
                let time = if is_late && !has_late_versions { 1 } else { time };
                (key, watermark + time, next)
            };
            calls.push(Call::RowsOf(
                what,
                batch(&rows.into_iter().map(row).collect::<Vec<Row>>()),
            ));
        } else {
            watermark += 4 * passes_ms;
            calls.push(Call::Watermark(watermark));
        }
    }
    calls
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// A version that comes late may be gone sooner than it would be in memory.
    #[test]
    fn a_join_that_is_on_disk_emits_the_same(
        kind in prop::sample::select(vec![Type::Inner, Type::Left]),
        steps in steps(),
    ) {
        rehearsal::check_spilled(move || Box::new(join_with_ttl(kind, 0)), &calls(steps, false));
    }
}

proptest! {
    #[test]
    fn a_restored_join_emits_the_same(
        kind in prop::sample::select(vec![Type::Inner, Type::Left]),
        ttl_ms in prop::sample::select(vec![0_u64, 12]),
        steps in steps(),
    ) {
        rehearsal::check_sorted(move || Box::new(join_with_ttl(kind, ttl_ms)), &calls(steps, true));
    }

    #[test]
    fn each_row_meets_the_version_that_a_look_at_all_of_them_finds(
        steps in prop::collection::vec(
            (0..3_u8, prop::collection::vec((prop::option::of(0..4_i64), 0..60_i64), 1..20)),
            1..20,
        )
    ) {
        let mut join = join(Type::Left);
        let context = &mut Context::default();
        let (mut left, mut right, mut came) = (Vec::new(), Vec::new(), Vec::new());
        let (mut next, mut watermark) = (0, 0);
        for (what, rows) in steps {
            // Nothing is late: rows come up to 60 ms behind the watermark to come.
            let rows: Vec<Row> = rows
                .into_iter()
                .map(|(key, time)| {
                    next += 1;
                    (key, watermark + 1 + time, next)
                })
                .collect();
            match what {
                0 => {
                    feed(&mut join, 0, &rows, context);
                    left.extend(rows);
                }
                1 => {
                    feed(&mut join, 1, &rows, context);
                    right.extend(rows);
                }
                _ => {
                    watermark += 20;
                    came.extend(advance(&mut join, watermark, context));
                }
            }
        }
        join.on_end(context).expect("works");
        came.extend(pairs(context));
        let version = |(key, time, _): &Row| {
            let valid = right.iter().filter(|(k, t, _): &&Row| key.is_some() && k == key && t <= time);
            valid.max_by_key(|(_, t, v)| (*t, *v)).map(|(_, _, v)| *v)
        };
        let mut expected: Vec<_> = left.iter().map(|row| (row.2, version(row))).collect();
        expected.sort_unstable();
        came.sort_unstable();
        prop_assert_eq!(came, expected);
        prop_assert_eq!(context.late_rows, 0);
    }
}
