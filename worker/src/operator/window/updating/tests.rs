use std::sync::Arc;

use arrow_array::{
    ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray,
    cast::AsArray,
    types::{Int64Type, TimestampMillisecondType},
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;
use weir_connector::{RowKind, changelog};
use weir_model::EventTime;
use weir_proto::{
    graph::{self, AggregateFunction, window::Kind},
    schema,
};

use super::UpdatingWindowAggregate;
use crate::operator::{
    Context, Operator,
    rehearsal::{self, Call},
};

const MS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// MAX(n) by k in windows of 10 ms that tumble.
struct Test {
    operator: UpdatingWindowAggregate,
    context: Context,
}

fn windows_of_10_ms() -> Kind {
    Kind::Tumble(graph::TumbleWindow {
        size_ms: 10,
        offset_ms: 0,
    })
}

fn operator(emit: graph::Emit, kind: Kind) -> UpdatingWindowAggregate {
    let field = |name: &str, data_type: DataType| Field::new(name, data_type, true);
    let input = Schema::new(vec![
        field("ts", MS),
        field("k", DataType::Int64),
        field("n", DataType::Int64),
    ]);
    let result = Schema::new(vec![field("most", DataType::Int64)]);
    let spec = graph::WindowAggregate {
        window: Some(graph::Window {
            time_column: 0,
            attached: false,
            kind: Some(kind),
        }),
        aggregates: vec![graph::Aggregate {
            function: AggregateFunction::Max.into(),
            column: Some(2),
            result: schema::encode(&result).expect("encodes"),
            ..graph::Aggregate::default()
        }],
        raw: true,
        keys: vec![1],
        emit: Some(emit),
        ..graph::WindowAggregate::default()
    };
    let mut output = vec![field("k", DataType::Int64), field("most", DataType::Int64)];
    output.extend(["window_start", "window_end", "window_time"].map(|name| field(name, MS)));
    output.push(changelog::op_field());
    let output = Arc::new(Schema::new(output));
    UpdatingWindowAggregate::new(&spec, &Arc::new(input), output).expect("an operator")
}

fn batch(rows: &[(i64, i64, i64)]) -> RecordBatch {
    let ts: ArrayRef = Arc::new(
        rows.iter()
            .map(|r| Some(r.0))
            .collect::<TimestampMillisecondArray>(),
    );
    let number = |of: fn(&(i64, i64, i64)) -> i64| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Int64Array>())
    };
    let columns = [("ts", ts), ("k", number(|r| r.1)), ("n", number(|r| r.2))];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, c)| (name, c, true)));
    batch.expect("rows")
}

impl Test {
    fn new(emit: graph::Emit) -> Self {
        Self {
            operator: operator(emit, windows_of_10_ms()),
            context: Context::default(),
        }
    }

    /// What comes out, as `+I k most start`, of rows `(ts, k, n)` at a time.
    fn rows(&mut self, now_ms: i64, rows: &[(i64, i64, i64)]) -> Vec<String> {
        self.context.now_ms = now_ms;
        self.operator
            .on_batch(0, batch(rows), &mut self.context)
            .expect("takes rows");
        self.said()
    }

    fn time(&mut self, watermark: i64) -> Vec<String> {
        self.operator
            .on_watermark(EventTime(watermark), &mut self.context)
            .expect("fires");
        self.said()
    }

    /// Tells the clock's time, if it was asked for.
    fn clock(&mut self, now_ms: i64) -> Vec<String> {
        self.context.now_ms = now_ms;
        if self.operator.timer_ms().is_some_and(|timer| timer <= now_ms) {
            self.operator
                .on_processing_time(&mut self.context)
                .expect("emits");
        }
        self.said()
    }

    fn said(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for batch in self.context.emitted.drain(..) {
            let ops = changelog::ops(&batch).expect("changes");
            let number = |column: usize| batch.column(column).as_primitive::<Int64Type>();
            let starts = batch.column(2).as_primitive::<TimestampMillisecondType>();
            for (i, op) in ops.values().iter().enumerate() {
                let op = match *op {
                    op if op == RowKind::Insert.byte() => "+I",
                    op if op == RowKind::UpdateBefore.byte() => "-U",
                    op if op == RowKind::UpdateAfter.byte() => "+U",
                    _ => "-D",
                };
                let (k, most) = (number(0).value(i), number(1).value(i));
                said.push(format!("{op} {k} {most} {}", starts.value(i)));
            }
        }
        said
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn early_results_come_a_delay_after_the_first_change_and_say_only_what_changed() {
    let mut test = Test::new(graph::Emit {
        early_delay_ms: Some(100),
        ..graph::Emit::default()
    });
    assert!(test.operator.is_timed());
    assert_eq!(test.operator.timer_ms(), None);
    assert_eq!(test.rows(1000, &[(1, 7, 5), (2, 8, 6)]), NOTHING);
    assert_eq!(test.operator.timer_ms(), Some(1100));
    assert_eq!(
        test.rows(1050, &[(3, 7, 9)]),
        NOTHING,
        "the first change sets the time"
    );
    assert_eq!(test.clock(1099), NOTHING);
    assert_eq!(test.clock(1100), ["+I 7 9 0", "+I 8 6 0"]);
    assert_eq!(test.operator.timer_ms(), None);
    assert_eq!(
        test.rows(1200, &[(4, 7, 1), (5, 8, 10), (6, 8, 11), (15, 7, 1)]),
        NOTHING
    );
    assert_eq!(test.clock(1300), ["-U 8 6 0", "+U 8 11 0", "+I 7 1 10"]);
    assert_eq!(test.rows(1400, &[(7, 7, 20), (8, 9, 1)]), NOTHING);
    assert_eq!(
        test.time(9),
        ["-U 7 9 0", "+U 7 20 0", "+I 9 1 0"],
        "the end waits for no delay"
    );
    assert_eq!(test.clock(1500), NOTHING);
    assert_eq!(test.rows(1600, &[(3, 7, 30)]), NOTHING);
    assert_eq!(test.context.late, [0], "no late rows are allowed");
}

#[test]
fn late_rows_change_a_window_that_has_fired_until_the_allowed_lateness_is_over() {
    let mut test = Test::new(graph::Emit {
        allowed_lateness_ms: 20,
        ..graph::Emit::default()
    });
    assert!(!test.operator.is_timed());
    assert_eq!(test.rows(0, &[(1, 7, 5)]), NOTHING, "there are no early results");
    assert_eq!(test.time(9), ["+I 7 5 0"]);
    assert_eq!(
        test.rows(0, &[(2, 7, 6), (3, 8, 1)]),
        ["-U 7 5 0", "+U 7 6 0", "+I 8 1 0"]
    );
    assert_eq!(test.time(28), NOTHING);
    assert_eq!(test.rows(0, &[(4, 7, 2), (4, 8, 3)]), ["-U 8 1 0", "+U 8 3 0"]);
    assert_eq!(
        test.rows(0, &[(-1, 9, 1), (11, 9, 1)]),
        ["+I 9 1 10"],
        "a window that late rows open fires at once, one that is over not at all"
    );
    assert_eq!(test.context.late_rows, 1);
    assert_eq!(test.time(29), NOTHING);
    assert_eq!(test.rows(0, &[(4, 7, 99)]), NOTHING);
    assert_eq!(test.context.late_rows, 2);
}

#[test]
fn changes_by_late_rows_wait_for_their_delay_but_are_never_lost() {
    let mut test = Test::new(graph::Emit {
        early_delay_ms: None,
        late_delay_ms: 50,
        allowed_lateness_ms: 20,
    });
    assert!(test.operator.is_timed());
    test.rows(0, &[(1, 7, 5)]);
    assert_eq!(test.operator.timer_ms(), None, "only late rows set a time");
    assert_eq!(test.time(9), ["+I 7 5 0"]);
    assert_eq!(test.rows(1000, &[(2, 7, 6)]), NOTHING);
    assert_eq!(test.clock(1050), ["-U 7 5 0", "+U 7 6 0"]);
    assert_eq!(test.rows(2000, &[(2, 7, 8)]), NOTHING);
    assert_eq!(test.time(29), ["-U 7 6 0", "+U 7 8 0"], "before the window goes");
    assert_eq!(test.clock(3000), NOTHING);
}

proptest! {
    #[test]
    fn restored_windows_go_on_as_those_that_were_not(
        hops: bool,
        early_ms in prop::option::of(prop::sample::select(vec![0, 20_u64])),
        late_ms in prop::sample::select(vec![0, 30_u64]),
        lateness_ms in 0..30_u64,
        steps in prop::collection::vec((
            0..12_i64,
            0..9_i64,
            prop::collection::vec((-30..40_i64, 0..3_i64, 0..9_i64), 0..6),
        ), 1..12),
    ) {
        let (mut now_ms, mut watermark, mut calls) = (0, 0, Vec::new());
        for (wait_ms, passes_ms, rows) in steps {
            now_ms += wait_ms;
            watermark += passes_ms;
            let rows: Vec<_> = rows.into_iter().map(|(ts, k, n)| (watermark + ts, k, n)).collect();
            calls.extend([Call::Time(now_ms), Call::Rows(batch(&rows)), Call::Watermark(watermark)]);
        }
        let make = move || {
            let emit = graph::Emit {
                early_delay_ms: early_ms,
                late_delay_ms: late_ms,
                allowed_lateness_ms: lateness_ms,
            };
            let hop = graph::HopWindow {
                size_ms: 10,
                slide_ms: 5,
                offset_ms: 0,
            };
            let kind = if hops { Kind::Hop(hop) } else { windows_of_10_ms() };
            Box::new(operator(emit, kind)) as Box<dyn Operator>
        };
        rehearsal::check_sorted(make, &calls);
    }
}
