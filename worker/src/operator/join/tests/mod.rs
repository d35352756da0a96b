mod restored;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use weir_connector::{
    RowKind::{self, Delete, Insert},
    changelog,
};
use weir_proto::graph::{self, join::Type};

use super::Join;
use crate::operator::{Context, Operator};

fn input(side: usize, takes_back: bool) -> SchemaRef {
    let names = [["k", "l"], ["rk", "r"]][side];
    let mut fields = names.map(|name| Field::new(name, DataType::Int64, true)).to_vec();
    fields.extend(takes_back.then(changelog::op_field));
    Arc::new(Schema::new(fields))
}

/// A join by the first columns of `(k, l)` and `(rk, r)` that gives `(l, r)`, of a left join at most.
fn join(kind: Type, takes_back: bool, left_ttl_ms: u64, right_ttl_ms: u64) -> Join {
    let spec = graph::Join {
        r#type: kind.into(),
        left_keys: vec![0],
        right_keys: vec![0],
        output: vec![1, 3],
        left_ttl_ms,
        right_ttl_ms,
        ..graph::Join::default()
    };
    let output = vec![
        Field::new("l", DataType::Int64, true),
        Field::new("r", DataType::Int64, true),
        changelog::op_field(),
    ];
    let inputs = [input(0, takes_back), input(1, takes_back)];
    Join::new(&spec, &inputs, Arc::new(Schema::new(output))).expect("builds")
}

type Change = (RowKind, i64, i64);

fn batch(side: usize, changes: &[Change], takes_back: bool) -> RecordBatch {
    let column = |value: fn(&Change) -> i64| -> ArrayRef {
        Arc::new(changes.iter().map(value).collect::<Int64Array>())
    };
    let mut columns = vec![column(|c| c.1), column(|c| c.2)];
    columns.extend(takes_back.then(|| changelog::column(changes.iter().map(|c| c.0.byte()).collect())));
    RecordBatch::try_new(input(side, takes_back), columns).expect("fits")
}

/// What rows of a side at a time make it emit, as `+I[l, r]`.
fn at(join: &mut Join, now_ms: i64, side: usize, changes: &[Change], takes_back: bool) -> Vec<String> {
    let mut context = Context {
        now_ms,
        ..Context::default()
    };
    let batch = batch(side, changes, takes_back);
    join.on_batch(side, batch, &mut context).expect("runs");
    let mut texts = Vec::new();
    for batch in &context.emitted {
        let ops = changelog::ops(batch).expect("changes");
        for row in 0..batch.num_rows() {
            let kind = RowKind::from_byte(ops.value(row)).expect("a kind");
            let value = |c: usize| {
                let column = batch.column(c).as_primitive::<Int64Type>();
                let value = column.is_valid(row).then(|| column.value(row).to_string());
                value.unwrap_or_else(|| "-".to_owned())
            };
            texts.push(format!("{}[{}, {}]", kind.as_str(), value(0), value(1)));
        }
    }
    texts
}

#[test]
fn each_row_goes_after_the_time_of_its_side() {
    let mut inner = join(Type::Inner, false, 1_000, 5_000);
    assert!(inner.is_timed());
    at(&mut inner, 0, 0, &[(Insert, 1, 10)], false);
    at(&mut inner, 500, 0, &[(Insert, 1, 11)], false);
    assert_eq!(
        at(&mut inner, 999, 1, &[(Insert, 1, 7)], false),
        ["+I[11, 7]", "+I[10, 7]"]
    );
    assert_eq!(at(&mut inner, 1_000, 1, &[(Insert, 1, 8)], false), ["+I[11, 8]"]);
    assert!(at(&mut inner, 1_500, 1, &[(Insert, 1, 9)], false).is_empty());
    assert_eq!(
        at(&mut inner, 5_999, 0, &[(Insert, 1, 12)], false),
        ["+I[12, 9]", "+I[12, 8]"]
    );
}

#[test]
fn a_row_whose_matches_change_begins_its_time_anew() {
    let mut left = join(Type::Left, true, 1_000, 1_000);
    assert_eq!(at(&mut left, 0, 0, &[(Insert, 1, 10)], true), ["+I[10, -]"]);
    assert_eq!(
        at(&mut left, 900, 1, &[(Insert, 1, 7)], true),
        ["-D[10, -]", "+I[10, 7]"]
    );
    assert_eq!(at(&mut left, 1_800, 1, &[(Insert, 1, 8)], true), ["+I[10, 8]"]);
    // The row is forgotten: nothing is taken back of what it has given.
    assert!(at(&mut left, 2_800, 1, &[(Insert, 1, 9)], true).is_empty());
}

#[test]
fn what_is_taken_back_of_a_row_that_is_over_still_meets_its_partners() {
    let mut inner = join(Type::Inner, true, 1_000, 0);
    at(&mut inner, 0, 0, &[(Insert, 1, 10)], true);
    assert_eq!(at(&mut inner, 10, 1, &[(Insert, 1, 7)], true), ["+I[10, 7]"]);
    assert_eq!(at(&mut inner, 2_000, 0, &[(Delete, 1, 10)], true), ["-D[10, 7]"]);
    assert_eq!(inner.state.sizes().0, [1, 1]);
}

#[test]
fn memory_of_rows_and_keys_that_are_over_is_given_back() {
    let mut inner = join(Type::Inner, false, 1_000, 1_000);
    let mut most = 0;
    for step in 0..40 {
        let now_ms = step * 250;
        let rows: Vec<Change> = (0..20_000).map(|k| (Insert, step * 20_000 + k, k)).collect();
        at(&mut inner, now_ms, 0, &rows, false);
        let mut context = Context {
            now_ms,
            ..Context::default()
        };
        inner.on_processing_time(&mut context).expect("runs");
        let ([rows, _], keys) = inner.state.sizes();
        most = most.max(rows).max(keys);
    }
    // Rows of 1.25 s live, and as many may wait to be given back.
    assert!(most <= 2 * 6 * 20_000, "{most} rows or keys");
    let mut context = Context {
        now_ms: 100_000,
        ..Context::default()
    };
    inner.on_processing_time(&mut context).expect("runs");
    assert_eq!(inner.state.sizes(), ([0, 0], 0));
    assert_eq!(inner.timer_ms(), None);
}
