//! Frames against what they say, and state that lets go.

mod restored;

use std::sync::Arc;

use arrow_array::{Int64Array, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;
use weir_proto::{
    graph::{
        AggregateFunction, OverAggregate, OverCall, SortColumn,
        over_call::{Frame as GraphFrame, Function as GraphFunction},
    },
    schema,
};

use super::{
    frame::{Fold, Frame, Reach},
    rows::{Rows, Segment},
    *,
};
use crate::operator::Context;
use arrow_array::{Array, ArrayRef, RecordBatch, cast::AsArray, types::Int64Type};
use weir_model::EventTime;

/// Rows of keys with these times, of which so many are there for frames only.
fn rows(segments: &[(Vec<i64>, usize)]) -> Rows {
    let mut rows = Rows {
        columns: Vec::new(),
        segments: Vec::new(),
        ties: Vec::new(),
        times: Vec::new(),
        groups: segments.len(),
        carries: false,
    };
    for (group, (times, before)) in (0_u32..).zip(segments) {
        let begin = rows.times.len();
        let mut times = times.clone();
        times.sort_unstable();
        rows.ties.extend(times.iter().map(|t| *t as u32));
        rows.times.extend(times);
        rows.segments.push(Segment {
            group,
            begin,
            first: begin + (*before).min(rows.times.len() - begin),
            end: rows.times.len(),
        });
    }
    rows
}

/// The rows of a row's frame, by looking at all of them.
fn frame_of(frame: Frame, rows: &Rows, segment: &Segment, row: usize) -> Vec<usize> {
    let is_in = |other: &usize| {
        let reaches = match frame.reach {
            Reach::First => true,
            Reach::Rows(before) => other + before >= row,
            Reach::Range(before_ms) => rows.times[*other] >= rows.times[row] - before_ms,
        };
        reaches && (*other <= row || (frame.with_peers && rows.ties[*other] == rows.ties[row]))
    };
    (segment.begin..segment.end).filter(is_in).collect()
}

proptest! {
    #[test]
    fn folds_put_together_just_the_rows_of_each_frame(
        segments in prop::collection::vec((prop::collection::vec(0..30_i64, 0..40), 0..8_usize), 0..6),
        reach in prop_oneof![
            Just(Reach::First),
            (0..12_usize).prop_map(Reach::Rows),
            (0..12_i64).prop_map(Reach::Range),
        ],
        with_peers in any::<bool>(),
    ) {
        let rows = rows(&segments);
        // Peers of a row that is there for frames only come before it, as they do in operators.
        let with_peers = with_peers && rows.segments.iter().all(|s| {
            s.first == s.begin || s.first == s.end || !rows.ties_with_previous(s.first)
        });
        let frame = Frame { reach, with_peers };
        // First and last row, and a sum: an order that is mixed up, and a row too many or too few, show.
        let fold = Fold {
            neutral: (usize::MAX, 0, 0),
            item: |row: usize| (row, row, row * row),
            combine: |a: (usize, usize, usize), b: (usize, usize, usize)| match (a.0, b.0) {
                (usize::MAX, _) => b,
                (_, usize::MAX) => a,
                _ => (a.0, b.1, a.2 + b.2),
            },
        };
        let found = frame.fold(&rows, &mut Vec::new(), fold);
        let mut expected = Vec::new();
        for segment in &rows.segments {
            for row in segment.wanted() {
                let frame = frame_of(frame, &rows, segment, row);
                let sum = frame.iter().map(|row| row * row).sum::<usize>();
                expected.push((frame[0], frame[frame.len() - 1], sum));
            }
        }
        prop_assert_eq!(found, expected);
    }
}

fn input() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, false),
        Field::new("v", DataType::Int64, true),
        Field::new("ts", time, false),
    ]))
}

/// SUM(v) OVER (PARTITION BY k ORDER BY ts ...)
fn sum(frame: Option<GraphFrame>) -> (TimedOver, SchemaRef) {
    let result = Schema::new(vec![Field::new("sum", DataType::Int64, true)]);
    let aggregate = graph::Aggregate {
        function: AggregateFunction::Sum.into(),
        column: Some(1),
        result: schema::encode(&result).expect("encodes"),
        distinct: false,
        ..Default::default()
    };
    let by_time = SortColumn {
        column: 2,
        descending: false,
        nulls_first: true,
    };
    let graph = OverAggregate {
        keys: vec![0],
        order: Ordering::EventTime.into(),
        order_by: vec![by_time],
        calls: vec![OverCall {
            function: Some(GraphFunction::Aggregate(aggregate)),
            frame,
            with_peers: !matches!(frame, Some(GraphFrame::RowsPreceding(_))),
        }],
        passed: vec![0],
    };
    let output = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, false),
        Field::new("sum", DataType::Int64, true),
    ]));
    let spec = Spec::new(&graph, &input(), output).expect("fits");
    (TimedOver::new(spec, &graph, &input()).expect("fits"), input())
}

fn batch(schema: &SchemaRef, rows: &[(i64, Option<i64>, i64)]) -> RecordBatch {
    let keys: ArrayRef = Arc::new(rows.iter().map(|r| Some(r.0)).collect::<Int64Array>());
    let values: ArrayRef = Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>());
    let times: ArrayRef = Arc::new(
        rows.iter()
            .map(|r| Some(r.2))
            .collect::<TimestampMillisecondArray>(),
    );
    RecordBatch::try_new(Arc::clone(schema), vec![keys, values, times]).expect("rows")
}

/// The keys and sums that were emitted.
fn taken(context: &mut Context) -> Vec<(i64, Option<i64>)> {
    let mut rows = Vec::new();
    for batch in context.emitted.drain(..) {
        let keys = batch.column(0).as_primitive::<Int64Type>();
        let sums = batch.column(1).as_primitive::<Int64Type>();
        rows.extend(
            keys.values()
                .iter()
                .copied()
                .zip((0..sums.len()).map(|i| sums.is_valid(i).then(|| sums.value(i)))),
        );
    }
    rows
}

#[test]
fn rows_wait_for_their_time_and_late_ones_are_dropped() {
    let (mut over, schema) = sum(None);
    let mut context = Context::default();
    let rows = [
        (1, Some(5), 30),
        (1, Some(1), 10),
        (2, None, 20),
        (1, Some(2), 10),
    ];
    over.on_batch(0, batch(&schema, &rows), &mut context)
        .expect("waits");
    over.on_watermark(EventTime(20), &mut context).expect("fires");
    assert_eq!(taken(&mut context), [(1, Some(3)), (1, Some(3)), (2, None)]);
    over.on_batch(
        0,
        batch(&schema, &[(1, Some(100), 20), (2, Some(7), 21)]),
        &mut context,
    )
    .expect("waits");
    assert_eq!(context.late_rows, 1);
    over.on_end(&mut context).expect("ends");
    assert_eq!(taken(&mut context), [(2, Some(7)), (1, Some(8))]);
}

#[test]
fn what_no_frame_reaches_any_more_is_forgotten() {
    let (mut over, schema) = sum(Some(GraphFrame::RangePrecedingMs(100)));
    let mut context = Context::default();
    for round in 0..50 {
        let begin = round * 1000;
        let rows: Vec<_> = (0..1000).map(|i| (begin + i, Some(i), begin + i)).collect();
        over.on_batch(0, batch(&schema, &rows), &mut context)
            .expect("waits");
        over.on_watermark(EventTime(begin + 999), &mut context)
            .expect("fires");
        assert_eq!(taken(&mut context).len(), 1000);
    }
    let (keys, kept) = over.state_sizes();
    assert_eq!(kept, 100, "rows of the last 100 ms");
    assert!(keys < 10_000, "{keys} keys are kept of 50,000 that came");
    over.on_batch(0, batch(&schema, &[(49_950, Some(1), 50_000)]), &mut context)
        .expect("waits");
    over.on_watermark(EventTime(50_000), &mut context).expect("fires");
    assert_eq!(taken(&mut context), [(49_950, Some(951))], "keys keep their rows");
    over.on_watermark(EventTime(60_000), &mut context).expect("fires");
    assert_eq!(over.state_sizes().1, 0);
}

#[test]
fn of_a_frame_of_rows_so_many_are_kept_of_each_key() {
    let (mut over, schema) = sum(Some(GraphFrame::RowsPreceding(2)));
    let mut context = Context::default();
    for round in 0..20 {
        let rows: Vec<_> = (0..100).map(|i| (i % 10, Some(1), round * 100 + i)).collect();
        over.on_batch(0, batch(&schema, &rows), &mut context)
            .expect("waits");
        over.on_watermark(EventTime(round * 100 + 99), &mut context)
            .expect("fires");
        let sums = taken(&mut context);
        assert!(
            sums.iter()
                .skip(if round == 0 { 20 } else { 0 })
                .all(|(_, s)| *s == Some(3)),
            "{sums:?}"
        );
        assert_eq!(over.state_sizes(), (10, 20));
    }
}
