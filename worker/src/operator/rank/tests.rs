mod restored;

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray, cast::AsArray, types::Int64Type,
};
use arrow_schema::{Field, Schema};
use proptest::prelude::*;
use weir_connector::{RowKind, changelog};
use weir_model::EventTime;
use weir_proto::graph::SortColumn;

use super::*;
use crate::operator::Context;

fn schema(with_rank: bool, is_changelog: bool) -> SchemaRef {
    let mut fields = vec![
        Field::new("k", DataType::Int64, false),
        Field::new("v", DataType::Int64, false),
        Field::new("id", DataType::Int64, false),
    ];
    fields.extend(with_rank.then(|| Field::new("rank", DataType::Int64, false)));
    fields.extend(is_changelog.then(changelog::op_field));
    Arc::new(Schema::new(fields))
}

fn spec(offset: u64, limit: u64, with_rank: bool) -> graph::Rank {
    graph::Rank {
        keys: vec![0],
        order: vec![SortColumn {
            column: 1,
            descending: true,
            nulls_first: false,
        }],
        offset,
        limit,
        with_rank,
        ..graph::Rank::default()
    }
}

type Row = (i64, i64, i64);

fn batch(rows: &[(RowKind, Row)], is_changelog: bool) -> RecordBatch {
    let column =
        |f: fn(&Row) -> i64| Arc::new(rows.iter().map(|(_, r)| f(r)).collect::<Int64Array>()) as ArrayRef;
    let mut columns = vec![column(|r| r.0), column(|r| r.1), column(|r| r.2)];
    if is_changelog {
        columns.push(changelog::column(
            rows.iter().map(|(kind, _)| kind.byte()).collect(),
        ));
    }
    RecordBatch::try_new(schema(false, is_changelog), columns).expect("fits")
}

fn inserts(rows: &[Row]) -> Vec<(RowKind, Row)> {
    rows.iter().map(|r| (RowKind::Insert, *r)).collect()
}

/// What a batch makes the operator emit, as `+I[1, 5, 7]`.
fn emitted(operator: &mut dyn Operator, batch: RecordBatch) -> Vec<String> {
    let mut context = Context::default();
    operator.on_batch(0, batch, &mut context).expect("runs");
    context.emitted.iter().flat_map(texts).collect()
}

fn texts(batch: &RecordBatch) -> Vec<String> {
    let ops = changelog::ops(batch);
    let width = batch.num_columns() - usize::from(ops.is_some());
    (0..batch.num_rows())
        .map(|row| {
            let kind = ops.map_or(RowKind::Insert, |o| {
                RowKind::from_byte(o.value(row)).expect("a kind")
            });
            let values: Vec<String> = (0..width)
                .map(|c| match batch.column(c).as_primitive_opt::<Int64Type>() {
                    Some(numbers) => numbers.value(row).to_string(),
                    None => "time".to_owned(),
                })
                .collect();
            format!("{}[{}]", kind.as_str(), values.join(", "))
        })
        .collect()
}

#[test]
fn only_rows_that_enter_or_leave_are_emitted() {
    let mut rank = build(&spec(0, 2, false), &schema(false, false), schema(false, true)).expect("builds");
    let mut feed = |rows: &[Row]| emitted(rank.as_mut(), batch(&inserts(rows), false));
    assert_eq!(
        feed(&[(1, 5, 0), (1, 9, 1), (2, 1, 2)]),
        ["+I[1, 9, 1]", "+I[1, 5, 0]", "+I[2, 1, 2]"]
    );
    assert!(
        feed(&[(1, 5, 3), (1, 4, 4)]).is_empty(),
        "later rows of one order come last"
    );
    assert_eq!(
        feed(&[(1, 6, 5), (1, 7, 6), (2, 0, 7)]),
        ["-D[1, 5, 0]", "+I[1, 7, 6]", "+I[2, 0, 7]"]
    );
}

#[test]
fn with_the_rank_rows_that_move_down_are_emitted_too() {
    let mut rank = build(&spec(0, 3, true), &schema(false, false), schema(true, true)).expect("builds");
    let mut feed = |rows: &[Row]| emitted(rank.as_mut(), batch(&inserts(rows), false));
    assert_eq!(
        feed(&[(1, 5, 0), (1, 9, 1)]),
        ["+I[1, 9, 1, 1]", "+I[1, 5, 0, 2]"]
    );
    assert_eq!(
        feed(&[(1, 7, 2)]),
        ["-U[1, 5, 0, 2]", "+U[1, 7, 2, 2]", "+I[1, 5, 0, 3]"]
    );
}

#[test]
fn ranks_up_to_the_offset_are_left_out() {
    let mut rank = build(&spec(1, 2, false), &schema(false, false), schema(false, true)).expect("builds");
    let mut feed = |rows: &[Row]| emitted(rank.as_mut(), batch(&inserts(rows), false));
    assert!(feed(&[(1, 5, 0)]).is_empty());
    assert_eq!(feed(&[(1, 9, 1)]), ["+I[1, 5, 0]"]);
    assert_eq!(feed(&[(1, 7, 2)]), ["-D[1, 5, 0]", "+I[1, 7, 2]"]);
}

#[test]
fn keeping_the_last_row_takes_the_later_of_two_of_one_time() {
    let keep_last = graph::Rank {
        prefers_later: true,
        updates_in_place: true,
        ..spec(0, 1, false)
    };
    let mut rank = build(&keep_last, &schema(false, false), schema(false, true)).expect("builds");
    let mut feed = |rows: &[Row]| emitted(rank.as_mut(), batch(&inserts(rows), false));
    assert_eq!(feed(&[(1, 5, 0), (1, 5, 1)]), ["+I[1, 5, 1]"]);
    assert_eq!(feed(&[(1, 4, 2), (1, 5, 3)]), ["-U[1, 5, 1]", "+U[1, 5, 3]"]);
}

#[test]
fn upserts_become_changes_with_what_was_there_before() {
    let upserts = graph::Rank {
        order: Vec::new(),
        prefers_later: true,
        updates_in_place: true,
        upserts: true,
        ..spec(0, 1, false)
    };
    let mut rank = build(&upserts, &schema(false, true), schema(false, true)).expect("builds");
    let mut feed = |rows: &[(RowKind, Row)]| emitted(rank.as_mut(), batch(rows, true));
    assert_eq!(
        feed(&[
            (RowKind::UpdateAfter, (1, 5, 0)),
            (RowKind::Insert, (2, 6, 0)),
            (RowKind::UpdateAfter, (1, 7, 1)),
        ]),
        ["+I[1, 7, 1]", "+I[2, 6, 0]"]
    );
    assert_eq!(
        feed(&[
            (RowKind::UpdateBefore, (1, 7, 1)),
            (RowKind::UpdateAfter, (1, 3, 2)),
            (RowKind::Delete, (2, 0, 0)),
            (RowKind::Delete, (3, 0, 0)),
        ]),
        ["-U[1, 7, 1]", "+U[1, 3, 2]", "-D[2, 6, 0]"]
    );
    assert_eq!(feed(&inserts(&[(2, 1, 9)])), ["+I[2, 1, 9]"]);
}

#[test]
fn rows_that_are_taken_back_make_room_for_the_next() {
    let mut rank = build(&spec(0, 1, false), &schema(false, true), schema(false, true)).expect("builds");
    let mut feed = |rows: &[(RowKind, Row)]| emitted(rank.as_mut(), batch(rows, true));
    assert_eq!(
        feed(&inserts(&[(1, 5, 0), (1, 9, 1), (1, 7, 2)])),
        ["+I[1, 9, 1]"]
    );
    assert_eq!(
        feed(&[(RowKind::Delete, (1, 9, 1))]),
        ["-D[1, 9, 1]", "+I[1, 7, 2]"]
    );
    assert!(
        feed(&[
            (RowKind::UpdateBefore, (1, 5, 0)),
            (RowKind::UpdateAfter, (1, 6, 0))
        ])
        .is_empty()
    );
    assert_eq!(
        feed(&[(RowKind::Delete, (1, 7, 2))]),
        ["-D[1, 7, 2]", "+I[1, 6, 0]"]
    );
    let unknown = rank.on_batch(
        0,
        batch(&[(RowKind::Delete, (1, 7, 2))], true),
        &mut Context::default(),
    );
    assert!(
        unknown
            .expect_err("was never there")
            .message
            .contains("never added")
    );
}

#[test]
fn a_window_gives_its_rows_once_the_watermark_has_passed_it_and_counts_late_ones() {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    let schema = Arc::new(Schema::new(vec![
        Field::new("end", time, false),
        Field::new("v", DataType::Int64, false),
    ]));
    let rows = |rows: &[(i64, i64)]| {
        let ends: ArrayRef = Arc::new(
            rows.iter()
                .map(|r| Some(r.0))
                .collect::<TimestampMillisecondArray>(),
        );
        let values: ArrayRef = Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>());
        RecordBatch::try_new(Arc::clone(&schema), vec![ends, values]).expect("fits")
    };
    let windowed = graph::Rank {
        window_end: Some(0),
        ..spec(0, 2, false)
    };
    let mut rank = build(&windowed, &schema, Arc::clone(&schema)).expect("builds");
    let mut context = Context::default();
    rank.on_batch(0, rows(&[(20, 1), (10, 3), (10, 5), (10, 4)]), &mut context)
        .expect("runs");
    rank.on_watermark(EventTime(8), &mut context).expect("runs");
    assert!(context.emitted.is_empty());
    rank.on_watermark(EventTime(9), &mut context).expect("runs");
    assert_eq!(texts(&context.emitted.remove(0)), ["+I[time, 5]", "+I[time, 4]"]);
    rank.on_batch(0, rows(&[(10, 9), (20, 2)]), &mut context)
        .expect("runs");
    assert_eq!(context.late_rows, 1);
    rank.on_end(&mut context).expect("runs");
    assert_eq!(texts(&context.emitted.remove(0)), ["+I[time, 2]", "+I[time, 1]"]);
}

/// What a batch at a time makes the operator emit.
fn emitted_at(operator: &mut dyn Operator, now_ms: i64, batch: RecordBatch) -> Vec<String> {
    let mut context = Context {
        now_ms,
        ..Context::default()
    };
    operator.on_batch(0, batch, &mut context).expect("runs");
    context.emitted.iter().flat_map(texts).collect()
}

#[test]
fn a_key_whose_first_rows_stay_the_same_for_its_time_begins_anew() {
    let spec = graph::Rank {
        state_ttl_ms: 1_000,
        ..spec(0, 2, false)
    };
    let mut rank = build(&spec, &schema(false, false), schema(false, true)).expect("builds");
    assert!(rank.is_timed());
    let mut at = |now_ms, rows: &[Row]| emitted_at(rank.as_mut(), now_ms, batch(&inserts(rows), false));
    assert_eq!(at(0, &[(1, 5, 1), (2, 5, 2)]), ["+I[1, 5, 1]", "+I[2, 5, 2]"]);
    assert_eq!(at(500, &[(1, 6, 3)]), ["+I[1, 6, 3]"]);
    // A row that is none of the first ones writes nothing.
    assert!(at(900, &[(1, 1, 4)]).is_empty());
    assert_eq!(
        at(1_000, &[(1, 7, 5), (2, 1, 6)]),
        ["-D[1, 5, 1]", "+I[1, 7, 5]", "+I[2, 1, 6]"]
    );
    assert_eq!(at(2_000, &[(1, 2, 7)]), ["+I[1, 2, 7]"]);
}

#[test]
fn a_row_that_is_taken_back_may_be_gone() {
    let spec = graph::Rank {
        state_ttl_ms: 1_000,
        ..spec(0, 1, false)
    };
    let mut rank = build(&spec, &schema(false, true), schema(false, true)).expect("builds");
    let mut at = |now_ms, rows: &[(RowKind, Row)]| emitted_at(rank.as_mut(), now_ms, batch(rows, true));
    assert_eq!(at(0, &[(RowKind::Insert, (1, 5, 1))]), ["+I[1, 5, 1]"]);
    assert!(at(1_000, &[(RowKind::Delete, (1, 5, 1))]).is_empty());
    assert_eq!(at(1_001, &[(RowKind::Insert, (1, 4, 2))]), ["+I[1, 4, 2]"]);
}

#[test]
fn memory_of_keys_that_are_over_is_given_back() {
    let spec = graph::Rank {
        state_ttl_ms: 1_000,
        ..spec(0, 1, false)
    };
    let input = schema(false, false);
    let shape = Shape::new(&spec, &input, schema(false, true)).expect("fits");
    let order = WordOrder::new(&spec.order, &input)
        .expect("fits")
        .expect("numbers");
    let groups = shape.groups().expect("keys");
    let content = Tops::new(1, false);
    let mut rank = ChangelogRank::new(shape, order, groups, content);
    let mut most = 0;
    for step in 0..40 {
        let now_ms = step * 250;
        let rows: Vec<Row> = (0..5_000).map(|k| (step * 5_000 + k, 1, k)).collect();
        emitted_at(&mut rank, now_ms, batch(&inserts(&rows), false));
        let mut context = Context {
            now_ms,
            ..Context::default()
        };
        rank.on_processing_time(&mut context).expect("runs");
        let (groups, rows) = rank.sizes();
        most = most.max(groups);
        assert!(rows <= 6 * 5_000, "{rows} rows live");
    }
    assert!(most <= 2 * 6 * 5_000, "{most} groups");
    let mut context = Context {
        now_ms: 100_000,
        ..Context::default()
    };
    rank.on_processing_time(&mut context).expect("runs");
    assert_eq!(rank.sizes(), (0, 0));
    assert_eq!(rank.timer_ms(), None);
}

/// The rows that are left when all changes have happened.
fn play(state: &mut Vec<String>, changes: Vec<String>) {
    for change in changes {
        let (kind, row) = change.split_at(2);
        if kind.starts_with('+') {
            state.push(row.to_owned());
        } else {
            let place = state.iter().position(|r| r == row).expect("the row is there");
            state.remove(place);
        }
    }
}

use arrow_schema::TimeUnit;

proptest! {
    #[test]
    fn changes_play_back_to_the_first_rows(
        batches in prop::collection::vec(prop::collection::vec((0..3_i64, 0..8_i64, any::<bool>()), 1..12), 1..12),
        offset in 0..3_u64, size in 1..4_u64, with_rank in any::<bool>(), takes_back in any::<bool>(),
    ) {
        let spec = spec(offset, offset + size, with_rank);
        let mut rank = build(&spec, &schema(false, takes_back), schema(with_rank, true)).expect("builds");
        let (mut all, mut state, mut next): (Vec<Row>, Vec<String>, i64) = (Vec::new(), Vec::new(), 0);
        for rows in batches {
            let mut changes = Vec::new();
            for (k, v, deletes) in rows {
                if takes_back && deletes && !all.is_empty() {
                    let row = all.remove((v as usize * 7 + k as usize) % all.len());
                    changes.push((RowKind::Delete, row));
                } else {
                    all.push((k, v, next));
                    changes.push((RowKind::Insert, (k, v, next)));
                    next += 1;
                }
            }
            play(&mut state, emitted(rank.as_mut(), batch(&changes, takes_back)));
            let mut expected = Vec::new();
            for key in 0..3 {
                let mut of_key: Vec<Row> = all.iter().copied().filter(|r| r.0 == key).collect();
                of_key.sort_by_key(|r| (-r.1, r.2));
                for (place, r) in of_key.iter().enumerate().take((offset + size) as usize).skip(offset as usize) {
                    let rank = if with_rank { format!(", {}", place + 1) } else { String::new() };
                    expected.push(format!("[{}, {}, {}{rank}]", r.0, r.1, r.2));
                }
            }
            state.sort();
            expected.sort();
            prop_assert_eq!(&state, &expected);
        }
    }
}
