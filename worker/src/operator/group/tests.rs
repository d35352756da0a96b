use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use proptest::prelude::*;
use weir_connector::{
    RowKind::{self, Delete, Insert, UpdateAfter, UpdateBefore},
    changelog,
};
use weir_proto::{
    graph::{self, AggregateFunction},
    schema,
};

use super::GroupAggregate;
use crate::operator::{
    Context, Operator,
    rehearsal::{self, Call},
};

const TTL_MS: i64 = 1_000;

/// `SELECT k, SUM(v), COUNT(*) ... GROUP BY k` (or without k), over rows that are changes or not.
fn aggregate(with_key: bool, takes_back: bool) -> GroupAggregate {
    aggregate_for(with_key, takes_back, TTL_MS)
}

fn aggregate_for(with_key: bool, takes_back: bool, ttl_ms: i64) -> GroupAggregate {
    let field = |name: &str, nullable| Field::new(name, DataType::Int64, nullable);
    let call = |function: AggregateFunction, column, result: Field| graph::Aggregate {
        function: function.into(),
        column,
        result: schema::encode(&Schema::new(vec![result])).expect("encodes"),
        ..Default::default()
    };
    let spec = graph::GroupAggregate {
        keys: with_key.then_some(0).into_iter().collect(),
        aggregates: vec![
            call(AggregateFunction::Sum, Some(1), field("sum", true)),
            call(AggregateFunction::CountStar, None, field("count", false)),
        ],
        partial: false,
        state_ttl_ms: ttl_ms as u64,
    };
    let mut output: Vec<Field> = with_key.then(|| field("k", true)).into_iter().collect();
    output.extend([field("sum", true), field("count", false), changelog::op_field()]);
    GroupAggregate::new(&spec, &input(takes_back), Arc::new(Schema::new(output))).expect("builds")
}

fn input(takes_back: bool) -> SchemaRef {
    let field = |name: &str| Field::new(name, DataType::Int64, true);
    let mut fields = vec![field("k"), field("v")];
    fields.extend(takes_back.then(changelog::op_field));
    Arc::new(Schema::new(fields))
}

type Change = (RowKind, i64, i64);

fn batch(changes: &[Change], takes_back: bool) -> RecordBatch {
    let column = |value: fn(&Change) -> i64| -> ArrayRef {
        Arc::new(changes.iter().map(value).collect::<Int64Array>())
    };
    let mut columns = vec![column(|c| c.1), column(|c| c.2)];
    columns.extend(takes_back.then(|| changelog::column(changes.iter().map(|c| c.0.byte()).collect())));
    RecordBatch::try_new(input(takes_back), columns).expect("fits")
}

fn emitted(context: &mut Context) -> Vec<String> {
    let mut texts = Vec::new();
    for batch in context.emitted.drain(..) {
        let ops = changelog::ops(&batch).expect("changes");
        for row in 0..batch.num_rows() {
            let kind = RowKind::from_byte(ops.value(row)).expect("a kind");
            let column = |c: usize| batch.column(c).as_primitive::<Int64Type>().value(row).to_string();
            let values: Vec<String> = (0..batch.num_columns() - 1).map(column).collect();
            texts.push(format!("{}[{}]", kind.as_str(), values.join(", ")));
        }
    }
    texts
}

/// What a batch at a time makes it emit.
fn at(operator: &mut GroupAggregate, now_ms: i64, changes: &[Change], takes_back: bool) -> Vec<String> {
    let mut context = Context {
        now_ms,
        ..Context::default()
    };
    let batch = batch(changes, takes_back);
    operator.on_batch(0, batch, &mut context).expect("runs");
    emitted(&mut context)
}

fn sweep(operator: &mut GroupAggregate, now_ms: i64) {
    let mut context = Context {
        now_ms,
        ..Context::default()
    };
    operator.on_processing_time(&mut context).expect("runs");
    assert!(
        context.emitted.is_empty(),
        "nothing is taken back of what is forgotten"
    );
}

#[test]
fn a_key_that_is_over_begins_anew_and_each_row_begins_its_time() {
    let mut sums = aggregate(true, false);
    assert!(sums.is_timed());
    assert_eq!(
        at(&mut sums, 0, &[(Insert, 1, 10), (Insert, 2, 5)], false),
        ["+I[1, 10, 1]", "+I[2, 5, 1]"]
    );
    assert_eq!(
        at(&mut sums, 900, &[(Insert, 1, 1)], false),
        ["-U[1, 10, 1]", "+U[1, 11, 2]"]
    );
    let changes = at(
        &mut sums,
        1_000,
        &[(Insert, 1, 1), (Insert, 2, 7), (Insert, 2, 1)],
        false,
    );
    assert_eq!(changes, ["-U[1, 11, 2]", "+U[1, 12, 3]", "+I[2, 8, 2]"]);
    assert_eq!(at(&mut sums, 2_000, &[(Insert, 1, 3)], false), ["+I[1, 3, 1]"]);
}

#[test]
fn a_result_that_is_as_before_is_repeated() {
    let mut sums = aggregate(true, true);
    at(&mut sums, 0, &[(Insert, 1, 10)], true);
    let changes = [(UpdateBefore, 1, 10), (UpdateAfter, 1, 10)];
    assert_eq!(
        at(&mut sums, 1, &[(Insert, 1, 0)], true),
        ["-U[1, 10, 1]", "+U[1, 10, 2]"]
    );
    assert_eq!(at(&mut sums, 2, &changes, true), ["-U[1, 10, 2]", "+U[1, 10, 2]"]);
}

#[test]
fn what_is_taken_back_of_a_key_that_is_over_means_nothing() {
    let mut sums = aggregate(true, true);
    at(&mut sums, 0, &[(Insert, 1, 10), (Insert, 2, 20)], true);
    assert!(at(&mut sums, 1_000, &[(Delete, 1, 10)], true).is_empty());
    assert_eq!(
        at(
            &mut sums,
            1_001,
            &[(UpdateBefore, 2, 20), (UpdateAfter, 2, 3)],
            true
        ),
        ["+I[2, 3, 1]"]
    );
    // The last row that is known goes, and one that is not; what comes then has nothing of them.
    let changes = [(Delete, 2, 3), (Delete, 2, 20), (Insert, 2, 4)];
    assert_eq!(
        at(&mut sums, 1_002, &changes, true),
        ["-U[2, 3, 1]", "+U[2, 4, 1]"]
    );
    assert_eq!(at(&mut sums, 1_003, &[(Delete, 2, 20)], true), ["-D[2, 4, 1]"]);
    assert_eq!(at(&mut sums, 1_004, &[(Insert, 2, 6)], true), ["+I[2, 6, 1]"]);
}

#[test]
fn without_keys_the_one_group_goes_too() {
    let mut sums = aggregate(false, true);
    assert_eq!(at(&mut sums, 0, &[(Insert, 1, 10)], true), ["+I[10, 1]"]);
    assert_eq!(
        at(&mut sums, 1_000, &[(Delete, 1, 10), (Insert, 1, 2)], true),
        ["+I[2, 1]"]
    );
    assert_eq!(
        at(&mut sums, 1_001, &[(Delete, 1, 2), (Insert, 1, 3)], true),
        ["-U[2, 1]", "+U[3, 1]"]
    );
    sweep(&mut sums, 3_000);
    assert_eq!(sums.state.len(), 0);
    assert_eq!(at(&mut sums, 3_001, &[(Insert, 1, 4)], true), ["+I[4, 1]"]);
}

#[test]
fn a_key_that_began_anew_is_not_deleted_with_its_old_group() {
    let row = |key| (Some(key), None, 0);
    let steps = [
        (0, vec![row(1)]),
        (501, vec![row(2)]),
        (499, vec![row(1)]),
        (249, vec![]),
    ];
    let make = || Box::new(aggregate_for(true, false, TTL_MS)) as Box<dyn Operator>;
    rehearsal::check_sorted(make, &calls(&steps, false, true));
}

#[test]
fn memory_of_keys_that_are_over_is_given_back() {
    let mut sums = aggregate(true, false);
    let mut most = 0;
    for step in 0..40 {
        let now = step * 250;
        let keys: Vec<Change> = (0..5_000).map(|k| (Insert, step * 5_000 + k, 1)).collect();
        at(&mut sums, now, &keys, false);
        assert!(sums.timer_ms().is_some_and(|timer| timer > now - 250));
        sweep(&mut sums, now);
        most = most.max(sums.state.len());
    }
    // Keys of 1.25 s live, and as many may wait to be given back.
    assert!(most <= 2 * 6 * 5_000, "{most} groups");
    sweep(&mut sums, 100_000);
    assert_eq!(sums.state.len(), 0);
    assert_eq!(sums.timer_ms(), None);
}

/// Rows of a batch, keys and values that may be null, and whether each goes: then one that is there does, or a stray that never was.
type Step = (i64, Vec<(Option<i64>, Option<i64>, u8)>);

/// The calls of steps, each of which waits so long, ms. Only where groups go with time are there strays: elsewhere what becomes of them is not
/// said, and a group that has lost its rows with them has them left in its results until it is forgotten.
fn calls(steps: &[Step], takes_back: bool, has_strays: bool) -> Vec<Call> {
    let (mut now_ms, mut there, mut calls) = (0, Vec::new(), Vec::new());
    for (wait_ms, rows) in steps {
        now_ms += wait_ms;
        let (mut kinds, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (key, value, goes) in rows {
            let mut row = (*key, *value);
            let is_there = *goes > 6 && !there.is_empty();
            let takes = takes_back && *goes > 5 && (is_there || has_strays);
            if takes && is_there {
                row = there.swap_remove(usize::from(*goes) % there.len());
            } else if !takes {
                there.push(row);
            }
            kinds.push(if takes { Delete } else { Insert }.byte());
            keys.push(row.0);
            values.push(row.1);
        }
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(keys)),
            Arc::new(Int64Array::from(values)),
        ];
        columns.extend(takes_back.then(|| changelog::column(kinds)));
        calls.push(Call::Time(now_ms));
        calls.push(Call::Rows(
            RecordBatch::try_new(input(takes_back), columns).expect("fits"),
        ));
    }
    calls.push(Call::Time(now_ms + 3 * TTL_MS));
    calls
}

proptest! {
    #[test]
    fn a_restored_aggregate_goes_on_as_one_that_was_not(
        with_key: bool,
        takes_back: bool,
        ttl_ms in prop::sample::select(vec![0, TTL_MS]),
        steps in prop::collection::vec((
            0..700_i64,
            prop::collection::vec((prop::option::of(0..4_i64), prop::option::of(0..9_i64), 0..12_u8), 0..5),
        ), 1..12),
    ) {
        let make = move || Box::new(aggregate_for(with_key, takes_back, ttl_ms)) as Box<dyn Operator>;
        rehearsal::check_sorted(make, &calls(&steps, takes_back, ttl_ms > 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn an_aggregate_that_is_on_disk_goes_on_as_one_that_is_not(
        takes_back: bool,
        steps in prop::collection::vec((
            Just(0),
            prop::collection::vec((prop::option::of(0..4_i64), prop::option::of(0..9_i64), 0..12_u8), 0..5),
        ), 1..12),
    ) {
        let make = move || Box::new(aggregate_for(true, takes_back, 0)) as Box<dyn Operator>;
        rehearsal::check_spilled(make, &calls(&steps, takes_back, false));
    }
}
